"""The Dagster instance of this project, for processes that Dagster did not start."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.instance import InstanceRef

from ingestion_pipeline.orchestration.storage import DAGSTER_FOLDER
from ingestion_pipeline.settings import Settings


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Yield the instance that ``dagster dev`` in the project's root uses.

    ``DAGSTER_HOME`` wins when it is set, as everywhere in Dagster.
    """
    home = os.environ.get("DAGSTER_HOME")
    if home:
        reference = InstanceRef.from_dir(home)
    else:
        folder = settings.home / DAGSTER_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        reference = InstanceRef.from_dir(str(folder), config_dir=str(settings.home))
    with dg.DagsterInstance.from_ref(reference) as instance:
        yield instance

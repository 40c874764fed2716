"""A project of its own in a temporary folder, and this process put into it."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ingestion_pipeline

ROOT = Path(ingestion_pipeline.__file__).resolve().parents[1]
_OURS = ("INGESTION_", "DAGSTER_")


@dataclass(frozen=True, slots=True)
class Home:
    """A folder with the project's configuration and nothing indexed yet.

    Args:
        folder: The project's root.
        environment: For processes that work in it.
    """

    folder: Path
    environment: dict[str, str]


def make_home(folder: Path, variables: Mapping[str, str] | None = None) -> Home:
    """Return a new home; settings of the outer environment do not reach it."""
    folder.mkdir(parents=True)
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, folder / name)
    outer = {key: value for key, value in os.environ.items() if not key.startswith(_OURS)}
    return Home(folder, {**outer, "INGESTION_HOME": str(folder), **(variables or {})})


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield an empty folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ingestion-benchmark-") as folder:
        yield Path(folder).resolve()


@contextmanager
def inside(environment: Mapping[str, str]) -> Iterator[None]:
    """Give this process the environment of a home: Dagster's storage reads its settings there."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def read_numbers(metadata: Mapping[str, Any]) -> dict[str, float]:
    """Return the numeric entries of a materialization's metadata."""
    values = {name: entry.value for name, entry in metadata.items()}
    return {name: float(v) for name, v in values.items() if isinstance(v, int | float)}

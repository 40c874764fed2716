"""What all tests share: a database server, the order of modules, the cores, no deadlines."""

import os

import pytest
from hypothesis import settings

from ingestion_pipeline_tests.postgres import postgres_server

__all__ = ["postgres_server"]

# Workers share the cores. Before numpy and torch are imported, here and in every process that a
# test starts: threads of theirs would wait for one another, spinning.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# On contended cores any example may take longer than hypothesis' 200 ms.
settings.register_profile("no deadlines", settings.default, deadline=None)
settings.load_profile("no deadlines")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put modules that start processes first: at the end, one worker would wait on its own."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)

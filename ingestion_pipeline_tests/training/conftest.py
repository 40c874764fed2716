"""Histories read once for all tests of this room."""

import pytest

from ingestion_pipeline.training.dataset import Repository
from ingestion_pipeline.training.prepare import prepare_repository
from ingestion_pipeline_tests.training.histories import make_history


@pytest.fixture(scope="session")
def offices(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("histories") / "offices"
    return prepare_repository(make_history(folder).path, "offices")


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("histories") / "others"
    topics = ("seed", "clock", "tax", "mail")
    return prepare_repository(make_history(folder, topics).path, "others")

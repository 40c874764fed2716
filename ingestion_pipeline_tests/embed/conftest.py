"""One encoder for all tests of this room."""

import pytest

from ingestion_pipeline.embed import Encoder, load_encoder


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return load_encoder("cpu", "hashbag-1")

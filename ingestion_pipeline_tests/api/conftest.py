"""A world with a tracked repository, served over HTTP on loopback."""

from ingestion_pipeline_tests.orchestration.conftest import instance, world

__all__ = ["instance", "world"]

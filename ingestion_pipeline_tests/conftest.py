"""Fixtures that one test session shares."""

from ingestion_pipeline_tests.postgres import postgres_server

__all__ = ["postgres_server"]

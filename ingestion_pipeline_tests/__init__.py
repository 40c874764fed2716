"""Tests of the pipeline; helpers are imported as ``ingestion_pipeline_tests.…``."""

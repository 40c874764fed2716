"""What Dagster loads. The definitions themselves are made in ``orchestration.build``."""

from ingestion_pipeline.orchestration.build import build_definitions

defs = build_definitions()

"""The job that sensor, schedule and command line run; the UI and backfills have Dagster's own."""

import dagster as dg

from ingestion_pipeline.orchestration.partitions import ASSET_KEY

SYNC_JOB_NAME = "sync_repository"

sync_repository = dg.define_asset_job(
    SYNC_JOB_NAME,
    selection=dg.AssetSelection.assets(ASSET_KEY),
    description="Sync one tracked repository and check its points.",
)

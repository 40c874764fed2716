"""The job that sensor, schedule and command line run; the UI and backfills have Dagster's own."""

import json
from typing import Any

import dagster as dg

from ingestion_pipeline.indexing.rules import SyncOptions
from ingestion_pipeline.orchestration.assets import repository_points
from ingestion_pipeline.orchestration.partitions import ASSET_KEY

SYNC_JOB_NAME = "sync_repository"

sync_repository = dg.define_asset_job(
    SYNC_JOB_NAME,
    selection=dg.AssetSelection.assets(ASSET_KEY),
    description="Sync one tracked repository and check its points.",
)


def make_run_config(options: SyncOptions) -> dict[str, Any]:
    """Return the run config that carries options to the first op."""
    asset = repository_points.node_def.name
    config = {"clone_repository": {"config": json.loads(options.to_json())}}
    return {"ops": {asset: {"ops": config}}}

"""Puts the definitions together."""

import dagster as dg

from ingestion_pipeline.embed.installed import read_in_use
from ingestion_pipeline.orchestration.alerts import make_failure_alerts
from ingestion_pipeline.orchestration.assets import name_encoder, repository_points
from ingestion_pipeline.orchestration.checks import all_checks
from ingestion_pipeline.orchestration.jobs import sync_repository
from ingestion_pipeline.orchestration.preview import preview_job
from ingestion_pipeline.orchestration.purge import hourly_purge, purge_untracked
from ingestion_pipeline.orchestration.resources import (
    OpenServices,
    make_resources,
    open_configured_services,
)
from ingestion_pipeline.orchestration.run_ends import make_run_end_sensors
from ingestion_pipeline.orchestration.sensors import (
    make_freshness_sensor,
    make_reconciliation_schedule,
)
from ingestion_pipeline.orchestration.training import encoder
from ingestion_pipeline.settings import load_settings


def build_definitions(open_pipeline: OpenServices = open_configured_services) -> dg.Definitions:
    """Return everything that Dagster loads.

    Args:
        open_pipeline: Opens the services of a run or a tick; tests hand in others.
    """
    settings = load_settings()
    points = name_encoder(repository_points, read_in_use(settings.encoders_path))
    return dg.Definitions(
        assets=[points, encoder],
        asset_checks=list(all_checks()),
        jobs=[sync_repository, preview_job, purge_untracked],
        sensors=[
            make_freshness_sensor(settings),
            *make_run_end_sensors(),
            *make_failure_alerts(settings),
        ],
        schedules=[make_reconciliation_schedule(settings), hourly_purge],
        resources=make_resources(open_pipeline),
        # One process a run: its start is most of a small run's time, and a child an op costs 5x.
        executor=dg.in_process_executor,
    )

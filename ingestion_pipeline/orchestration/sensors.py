"""The freshness sensor and the nightly reconciliation: two triggers of one comparison."""

import dagster as dg
from dagster._utils.schedules import is_valid_cron_schedule

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import ConfigurationError, IngestionError
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.freshness.evidence import Decision
from ingestion_pipeline.freshness.selection import select_runs
from ingestion_pipeline.freshness.summary import summarize
from ingestion_pipeline.orchestration.cursor import SensorCursor
from ingestion_pipeline.orchestration.freshness_check import check_freshness, sync_partitions
from ingestion_pipeline.orchestration.jobs import sync_repository
from ingestion_pipeline.settings import Settings

REASON_TAG = "ingestion/reason"


def make_freshness_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor; its interval is a setting."""

    @dg.sensor(
        job=sync_repository,
        minimum_interval_seconds=settings.sensor_interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"services"},
        description="Asks the hosts what was pushed, and runs the partitions that are stale.",
    )
    def repository_freshness(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        services: Services = context.resources.services
        try:
            return run_tick(services, context.instance, context.cursor)
        except IngestionError as error:
            return dg.SensorResult(skip_reason=f"Not checked: {error}", cursor=context.cursor)

    return repository_freshness


def run_tick(
    services: Services, instance: dg.DagsterInstance, cursor_text: str | None
) -> dg.SensorResult:
    """Check as many repositories as one tick may, and ask for runs up to the cap."""
    settings = services.settings
    cursor = SensorCursor.parse(cursor_text)
    notes = sync_partitions(services, instance)
    rows = services.state.list_repositories()
    window = _take_window(rows, cursor.asked, settings.sensor_max_repositories_per_tick)
    check = check_freshness(services, instance, window)
    chosen, last_run = select_runs(
        check.decisions, settings.sensor_max_runs_per_tick, cursor.started
    )
    asked = window[-1].partition_key if len(window) < len(rows) else ""
    summary = " ".join((summarize(check.decisions, check.report), *notes, *check.notes))
    requests = [make_request(decision) for decision in chosen]
    return dg.SensorResult(
        run_requests=requests or None,
        skip_reason=None if requests else summary,
        cursor=SensorCursor(asked, last_run).format(),
    )


def make_request(decision: Decision) -> dg.RunRequest:
    """Return the request for one stale partition.

    Without a run key: one would dedupe for ever, also after a run that failed or was canceled.
    """
    return dg.RunRequest(
        partition_key=decision.partition_key, tags={REASON_TAG: decision.reason[:250]}
    )


def make_reconciliation_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the nightly schedule; its time is a setting.

    Raises:
        ConfigurationError: The time is no cron expression.
    """
    if not is_valid_cron_schedule(settings.reconcile_cron):
        raise ConfigurationError(
            "INGESTION_RECONCILE_CRON is no cron expression. Give five fields, for example "
            "0 3 * * * for three at night."
        )

    @dg.schedule(
        job=sync_repository,
        cron_schedule=settings.reconcile_cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        required_resource_keys={"services"},
        description="Looks up every head, also of branches whose push nobody noticed.",
    )
    def nightly_reconciliation(
        context: dg.ScheduleEvaluationContext,
    ) -> list[dg.RunRequest] | dg.SkipReason:
        return run_nightly(context.resources.services, context.instance)

    return nightly_reconciliation


def run_nightly(
    services: Services, instance: dg.DagsterInstance
) -> list[dg.RunRequest] | dg.SkipReason:
    """Check every tracked repository, all its heads looked up, and ask for every run needed."""
    notes = sync_partitions(services, instance)
    rows = services.state.list_repositories()
    check = check_freshness(services, instance, rows, look_up_all=True)
    chosen, _ = select_runs(check.decisions, cap=len(rows))
    if not chosen:
        summary = summarize(check.decisions, check.report)
        return dg.SkipReason(" ".join((summary, *notes, *check.notes)))
    return [make_request(decision) for decision in chosen]


def _take_window(rows: list[TrackedRepository], after: str, size: int) -> list[TrackedRepository]:
    """Return the next ``size`` rows after a key, going round."""
    later = [row for row in rows if row.partition_key > after]
    earlier = [row for row in rows if row.partition_key <= after]
    return (later + earlier)[:size]

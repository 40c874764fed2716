"""The freshness sensor and the nightly reconciliation: two triggers of one comparison."""

import dagster as dg
from dagster._utils.schedules import is_valid_cron_schedule

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.code_host import FreshnessReport
from ingestion_pipeline.core.errors import ConfigurationError, IngestionError
from ingestion_pipeline.freshness.due import choose_due, make_standings
from ingestion_pipeline.freshness.evidence import Decision, collect_evidence
from ingestion_pipeline.freshness.selection import select_runs
from ingestion_pipeline.freshness.summary import summarize
from ingestion_pipeline.orchestration.cursor import SensorCursor
from ingestion_pipeline.orchestration.freshness_check import check_freshness, sync_partitions
from ingestion_pipeline.orchestration.jobs import sync_repository
from ingestion_pipeline.orchestration.run_facts import collect_run_facts
from ingestion_pipeline.orchestration.tick import (
    choose_runs,
    describe_tick,
    make_tick_limits,
    plan_checks,
)
from ingestion_pipeline.settings import Settings

REASON_TAG = "ingestion/reason"
FRESHNESS_SENSOR_NAME = "repository_freshness"


def make_freshness_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor; its interval is a setting."""

    @dg.sensor(
        name=FRESHNESS_SENSOR_NAME,
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
    """Ask about the repositories whose time has come, and ask for runs up to the cap."""
    settings, state = services.settings, services.state
    cursor = SensorCursor.parse(cursor_text)
    notes = sync_partitions(services, instance)
    now = services.clock.now()
    rows = state.list_repositories()
    facts = collect_run_facts(instance, state, [row.partition_key for row in rows], now)
    known = collect_evidence(rows, FreshnessReport({}), facts, services.make_fingerprint)
    standings = make_standings(known, state.list_check_schedules(), now)
    limits = make_tick_limits(settings, cursor.rate_limit)
    due = choose_due(standings, now, limits, cursor.started)
    check = check_freshness(services, instance, [item.repository for item in due], facts=facts)
    chosen, last_run = choose_runs(due, check, settings.sensor_max_runs_per_tick, cursor.started)
    state.set_check_schedules(plan_checks(due, check, chosen, limits.poll, now))
    requests = [make_request(decision) for decision in chosen]
    limit = cursor.remember(check.report.rate_limit, now)
    said = describe_tick(standings, due, check, limit)
    summary = " ".join(filter(None, (said, *notes, *check.notes)))
    return dg.SensorResult(
        run_requests=requests or None,
        skip_reason=None if requests else summary,
        cursor=SensorCursor(last_run, limit).format(),
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

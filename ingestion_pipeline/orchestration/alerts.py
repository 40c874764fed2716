"""Alerts: a signed webhook for every run that fails, where a setting says where to.

Run monitoring (Dagster 1.13) ends a run that took longer than ``max_runtime_seconds`` as a failure,
whether its process can be ended or not. What that process reports on its way out may make the run
``CANCELED`` a moment later; the sensor reads events and not states, so it sees the failure anyway.
It hears of the runs of this code location, not of those that a person runs in a terminal. Dagster
never evaluates it twice for a failure: where the state is down just then, its tick shows the error.
"""

import dagster as dg
from dagster import DagsterEventType
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import WILL_RETRY_TAG

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import ConfigurationError, WebhookUrlError
from ingestion_pipeline.notify.events import make_delivery
from ingestion_pipeline.orchestration.history import explain_failure
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG
from ingestion_pipeline.settings import Settings

RUN_FAILED = "run.failed"


def make_failure_alerts(settings: Settings) -> list[dg.SensorDefinition]:
    """Return the sensor; none where no setting says where alerts go.

    Raises:
        ConfigurationError: No webhook can be sent there, or none can be signed.
    """
    if settings.alert_webhook_url is None:
        return []
    url = settings.alert_webhook_url.get_secret_value()
    try:
        Services(settings).check_webhook(url)
    except WebhookUrlError as error:
        raise ConfigurationError(f"INGESTION_ALERT_WEBHOOK_URL does not fit. {error}") from None

    @dg.run_failure_sensor(
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends a webhook for each run that fails; `ingestion-pipeline serve` sends it.",
    )
    def run_failure_alerts(
        context: dg.RunFailureSensorContext, services: dg.ResourceParam[Services]
    ) -> None:
        add_alert(services, context.instance, context.dagster_run, context.failure_event, url)

    return [run_failure_alerts]


def add_alert(
    services: Services,
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    failure: dg.DagsterEvent,
    url: str,
) -> None:
    """Put the webhook of a failed run into the outbox; the same run again changes nothing."""
    unsaid = str(instance.run_retries_enabled).lower()
    data = {
        "run_id": run.run_id,
        "repository": run.tags.get(PARTITION_TAG),
        "job": run.job_name,
        "error": _explain(services, instance, run, failure),
        "will_retry": run.tags.get(WILL_RETRY_TAG, unsaid) == "true",
    }
    delivery = make_delivery(run.run_id, RUN_FAILED, url, data, services.clock.now())
    services.state.deliveries.add_delivery(delivery)


def _explain(
    services: Services, instance: dg.DagsterInstance, run: dg.DagsterRun, failure: dg.DagsterEvent
) -> str:
    """Return the message of the op that failed, or why Dagster ended the run."""
    data = failure.job_failure_data
    if data is not None and data.failure_reason is RunFailureReason.STEP_FAILURE:
        return explain_failure(services.state, run)
    endings = instance.all_logs(run.run_id, of_type={DagsterEventType.RUN_CANCELING})
    events = [entry.get_dagster_event() for entry in endings]
    # What follows the first line is for whoever looks into the machines.
    lines = [event.message.partition("\n")[0] for event in (*events, failure) if event.message]
    return " ".join(lines) or explain_failure(services.state, run)

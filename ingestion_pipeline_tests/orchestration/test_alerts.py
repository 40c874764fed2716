"""Webhooks of failed runs, through the sensor as Dagster's daemon evaluates it."""

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.launcher import DefaultRunLauncher
from dagster._daemon.monitoring.run_monitoring import check_run_timeout
from pydantic import SecretStr

from ingestion_pipeline.core.errors import ConfigurationError, HostUnavailableError
from ingestion_pipeline.orchestration.alerts import make_failure_alerts
from ingestion_pipeline.settings import Settings
from ingestion_pipeline_tests.orchestration.world import KEY, World

URL = "https://example.com/alerts?key=secret"
SIGNING_SECRET = SecretStr("whsec_" + "a" * 44)


class ObedientRunLauncher(DefaultRunLauncher):
    """Ends every run that it is asked to end."""

    def terminate(self, run_id: str) -> bool:
        return True


@pytest.fixture(params=["DefaultRunLauncher", "ObedientRunLauncher"])
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """One whose runs can be ended, and one whose processes are nowhere to be found."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    overrides: dict[str, Any] = {"run_retries": {"enabled": True, "max_retries": 1}}
    if request.param == "ObedientRunLauncher":
        overrides["run_launcher"] = {"module": __name__, "class": request.param}
    with dg.DagsterInstance.local_temp(str(folder), overrides=overrides) as opened:
        yield opened


def make_settings(world: World, url: str | None = URL) -> Settings:
    return world.services.settings.model_copy(
        update={
            "alert_webhook_url": SecretStr(url) if url else None,
            "webhook_signing_secret": SIGNING_SECRET,
        }
    )


def tick(world: World, instance: dg.DagsterInstance, cursor: str | None) -> str:
    """Evaluate the sensor once; return its new cursor."""
    [sensor] = make_failure_alerts(make_settings(world))
    context = dg.build_sensor_context(
        instance, cursor=cursor, resources={"services": world.services}
    )
    result = sensor.evaluate_tick(context)
    errors = [reaction.error for reaction in result.dagster_run_reactions or []]
    assert not any(errors), errors
    assert result.cursor is not None
    return result.cursor


def read_alerts(world: World) -> list[dict[str, Any]]:
    found = world.state.deliveries.list_deliveries()
    assert {row.url for row in found} <= {URL}
    return [json.loads(row.body) for row in found]


def test_without_an_address_there_is_no_sensor(world: World) -> None:
    assert make_failure_alerts(make_settings(world, None)) == []


def test_the_sensor_runs_by_default(world: World) -> None:
    [sensor] = make_failure_alerts(make_settings(world))
    assert sensor.name == "run_failure_alerts"
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_an_address_inside_the_network_is_refused_at_load(world: World) -> None:
    with pytest.raises(ConfigurationError, match=r"INGESTION_ALERT_WEBHOOK_URL .*public") as caught:
        make_failure_alerts(make_settings(world, "http://127.0.0.1:8000/hook?key=secret"))
    assert "secret" not in str(caught.value)


def test_nothing_is_sent_unsigned(world: World) -> None:
    settings = make_settings(world).model_copy(update={"webhook_signing_secret": None})
    with pytest.raises(ConfigurationError, match="INGESTION_WEBHOOK_SIGNING_SECRET"):
        make_failure_alerts(settings)


def test_a_failed_sync_is_told_once(world: World, instance: dg.DagsterInstance) -> None:
    world.sync(instance)
    before = tick(world, instance, None)
    world.host.break_down(HostUnavailableError("GitHub answered 502."))
    failed = world.sync(instance)
    tick(world, instance, before)
    tick(world, instance, before)
    [alert] = read_alerts(world)
    assert alert["type"] == "run.failed"
    assert alert["data"] == {
        "error": "GitHub answered 502.",
        "run_id": failed.run_id,
        "repository": KEY,
        "job": "sync_repository",
        "will_retry": True,
    }


def test_what_succeeds_is_not_told(world: World, instance: dg.DagsterInstance) -> None:
    cursor = tick(world, instance, None)
    world.sync(instance)
    tick(world, instance, cursor)
    assert read_alerts(world) == []


def test_a_run_that_takes_too_long_is_told_with_the_reason(
    world: World, instance: dg.DagsterInstance
) -> None:
    cursor = tick(world, instance, None)
    run = instance.create_run_for_job(world.definitions.resolve_job_def("purge_untracked"))
    begun = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
    two_hours_ago = time.time() - 7200
    instance.report_dagster_event(begun, run_id=run.run_id, timestamp=two_hours_ago)
    record = instance.get_run_record_by_id(run.run_id)
    assert record is not None
    check_run_timeout(instance, record, logging.getLogger(__name__), 3600.0)
    instance.report_run_canceled(run)  # its process, on its way out
    tick(world, instance, cursor)
    [alert] = read_alerts(world)
    assert alert["data"]["run_id"] == run.run_id
    assert alert["data"]["repository"] is None
    said = "Canceling due to exceeding maximum runtime of 3600 seconds."
    assert alert["data"]["error"].startswith(said)

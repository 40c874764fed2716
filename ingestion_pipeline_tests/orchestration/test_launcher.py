"""Runs that waited in the queue for longer than they may."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status
from dagster._core.launcher import LaunchRunContext

from ingestion_pipeline.orchestration.launcher import NOT_AFTER_TAG, HealthCheckedRunLauncher

LATE = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
IN_TIME = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


def launch(instance: dg.DagsterInstance, **values: Any) -> Status:
    run = dg.DagsterRun("sync_repository", run_id="run", status=Status.STARTING, **values)
    instance.run_storage.add_run(run)
    launcher = HealthCheckedRunLauncher()
    launcher.register_instance(instance)
    launcher.launch_run(LaunchRunContext(run, workspace=None))
    found = instance.get_run_by_id("run")
    assert found is not None
    return found.status


def test_a_run_that_is_too_late_is_canceled(instance: dg.DagsterInstance) -> None:
    assert launch(instance, tags={NOT_AFTER_TAG: LATE}) is Status.CANCELED


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"tags": {NOT_AFTER_TAG: IN_TIME}},
        # The first try began in time, and this one is Dagster's own idea.
        {"tags": {NOT_AFTER_TAG: LATE}, "root_run_id": "first", "parent_run_id": "first"},
    ],
)
def test_any_other_run_is_started(instance: dg.DagsterInstance, values: dict[str, Any]) -> None:
    with pytest.raises(dg.DagsterInvariantViolationError):  # there is no workspace to start it in
        launch(instance, **values)
    left = cast("dg.DagsterRun", instance.get_run_by_id("run"))
    assert left.status is Status.STARTING

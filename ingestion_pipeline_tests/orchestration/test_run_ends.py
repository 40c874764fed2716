"""What happens when a run has ended, the daemon's part played by the tests."""

import shutil
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterEventType as Event
from dagster import DagsterRunStatus as Status

from ingestion_pipeline.core.jobs import Job, JobStatus
from ingestion_pipeline.core.state import SyncStatus
from ingestion_pipeline.orchestration.job_runs import JobRuns
from ingestion_pipeline.orchestration.run_ends import note_run_end
from ingestion_pipeline.orchestration.tags import SKIPPED_TAG
from ingestion_pipeline_tests.orchestration.test_job_runs import accept, get_run, read, report
from ingestion_pipeline_tests.orchestration.world import KEY, World

ROOT = Path(__file__).parents[2]


@pytest.fixture
def job(world: World, instance: dg.DagsterInstance) -> Job:
    """A job whose run works."""
    shutil.copy(ROOT / "workspace.yaml", world.folder)
    job = accept(world)
    JobRuns(world.services, instance).tend()
    report(instance, job.job_id, Event.RUN_STARTING, Event.RUN_START)
    return job


def end(world: World, instance: dg.DagsterInstance, job: Job, event: Event) -> None:
    """End the job's run and let the sensor of that status see it, through Dagster."""
    report(instance, job.job_id, event)
    run = get_run(instance, job.job_id)
    if run.status is Status.FAILURE:
        instance.add_run_tags(run.run_id, {"dagster/will_retry": "false"})
    name = {"SUCCESS": "jobs_succeeded", "FAILURE": "jobs_failed", "CANCELED": "jobs_canceled"}
    sensor = world.definitions.resolve_sensor_def(name[run.status.value])
    [told] = [e.dagster_event for e in instance.all_logs(run.run_id, event) if e.dagster_event]
    context = dg.build_run_status_sensor_context(
        name[run.status.value],
        told,
        instance,
        get_run(instance, job.job_id),
        resources={"services": world.services},
    )
    sensor(context)
    note_run_end(world.services, instance, get_run(instance, job.job_id))  # once more


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (Event.RUN_SUCCESS, JobStatus.COMPLETED),
        (Event.RUN_FAILURE, JobStatus.FAILED),
        (Event.RUN_CANCELED, JobStatus.CANCELLED),
    ],
)
def test_a_job_ends_with_its_run(
    world: World, instance: dg.DagsterInstance, job: Job, event: Event, status: JobStatus
) -> None:
    end(world, instance, job, event)
    assert read(world, job).status is status


def test_a_run_that_died_has_a_line_in_the_history(
    world: World, instance: dg.DagsterInstance, job: Job
) -> None:
    end(world, instance, job, Event.RUN_FAILURE)
    [line] = world.state.list_syncs(KEY)
    assert (line.run_id, line.status) == (job.job_id, SyncStatus.FAILED)
    assert line.source == world.row.source
    assert "killed" in read(world, job).error


def test_a_run_that_was_cancelled_has_a_line_in_the_history(
    world: World, instance: dg.DagsterInstance, job: Job
) -> None:
    end(world, instance, job, Event.RUN_CANCELED)
    [line] = world.state.list_syncs(KEY)
    assert (line.run_id, line.status) == (job.job_id, SyncStatus.CANCELED)
    assert (line.source, line.error) == (world.row.source, "")


def test_a_run_that_was_skipped_is_in_the_history_as_its_job(
    world: World, instance: dg.DagsterInstance, job: Job
) -> None:
    instance.add_run_tags(job.job_id, {SKIPPED_TAG: "Exceeded the time in the queue"})
    end(world, instance, job, Event.RUN_CANCELED)
    assert world.state.list_syncs(KEY) == []
    assert read(world, job).status is JobStatus.SKIPPED


def test_a_run_that_said_why_it_failed_keeps_its_line(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.host.leave_unanswered(KEY)
    world.git.path.rename(world.folder / "gone.git")
    result = world.sync(instance)
    assert not result.success
    [line] = world.state.list_syncs(KEY)
    note_run_end(world.services, instance, get_run(instance, result.run_id))
    assert world.state.list_syncs(KEY) == [line]


def test_a_run_of_another_job_is_nobodys_sync(world: World, instance: dg.DagsterInstance) -> None:
    run = dg.DagsterRun("purge_untracked", run_id="purge", status=Status.FAILURE)
    instance.run_storage.add_run(run)
    note_run_end(world.services, instance, run)
    assert world.state.list_syncs() == []

"""Jobs handed to Dagster, followed and ended; the daemon's part is played by the tests."""

import json
import shutil
import socket
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import dagster as dg
import pytest
from dagster import DagsterEventType as Event
from dagster import DagsterRunStatus as Status
from dagster._core.storage.tags import MAX_RETRIES_TAG
from pydantic import SecretStr

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.core.jobs import Job, JobStatus
from ingestion_pipeline.core.state import SyncRecord, SyncStatus
from ingestion_pipeline.orchestration.job_runs import EXCEEDED, JobRuns
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG, PARTITIONS_NAME
from ingestion_pipeline.orchestration.run_ending import list_partition_runs
from ingestion_pipeline.orchestration.run_process import PROCESS_TAG
from ingestion_pipeline.orchestration.tags import SKIPPED_TAG
from ingestion_pipeline.tracking.track import track_repository, untrack_repository
from ingestion_pipeline_tests.crashing import Crash, CrashingProxy, CrashPlan
from ingestion_pipeline_tests.fakes.code_host import make_hosted
from ingestion_pipeline_tests.orchestration.world import KEY, World

ROOT = Path(__file__).parents[2]
MOST = 5
GONE = {PROCESS_TAG: f"{socket.gethostname()}:99999999"}


@pytest.fixture
def runs(world: World, instance: dg.DagsterInstance) -> JobRuns:
    shutil.copy(ROOT / "workspace.yaml", world.folder)
    return JobRuns(world.services, instance)


def accept(world: World, *, force: bool = False, **changes: Any) -> Job:
    options = json.dumps({"full_reindex": True})
    source, now = world.row.source, world.clock.now()
    job = Job(str(uuid.uuid4()), source, KEY, options, "a test", now)
    return world.state.jobs.accept(replace(job, **changes), MOST, force=force).job


def read(world: World, job: Job) -> Job:
    found = world.state.jobs.find_job(job.job_id)
    assert found is not None
    return found


def report(instance: dg.DagsterInstance, run_id: str, *events: Event) -> None:
    for event in events:
        told = dg.DagsterEvent(event_type_value=event.value, job_name="sync_repository")
        instance.report_dagster_event(told, run_id=run_id)


def get_run(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run


def test_a_job_becomes_one_queued_run(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    instance.delete_dynamic_partition(PARTITIONS_NAME, KEY)
    job = accept(world)
    runs.tend()
    runs.tend()
    [run] = instance.get_runs()
    assert (run.run_id, run.status) == (job.job_id, Status.QUEUED)
    assert run.tags[PARTITION_TAG] == KEY
    assert run.tags["ingestion/requested_by"] == "a test"
    asset: Any = run.run_config["ops"]
    config = asset["repository_points"]["ops"]["clone_repository"]["config"]
    assert config == {"full_reindex": True, "allow_mass_deletion": False}
    assert instance.has_dynamic_partition(PARTITIONS_NAME, KEY)
    origin = run.remote_job_origin
    assert origin is not None
    assert origin.repository_origin.code_location_origin.location_name == "ingestion_pipeline"
    assert read(world, job).status is JobStatus.QUEUED


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("at_write", range(3))
def test_a_crash_at_any_write_makes_no_second_run(
    world: World, instance: dg.DagsterInstance, runs: JobRuns, at_write: int, *, before: bool
) -> None:
    job = accept(world)
    plan = CrashPlan(at_write, before=before)
    jobs = world.state.jobs
    cast("Any", world.state)._jobs = CrashingProxy(jobs, plan, frozenset({"record_dispatched"}))
    writes = frozenset({"create_run_for_job", "report_dagster_event"})
    dying = JobRuns(world.services, cast("Any", CrashingProxy(instance, plan, writes)))
    with pytest.raises(Crash):
        dying.tend()
    cast("Any", world.state)._jobs = jobs
    runs.tend()
    [run] = instance.get_runs()
    assert (run.run_id, run.status) == (job.job_id, Status.QUEUED)
    assert len(instance.all_logs(job.job_id, of_type=Event.PIPELINE_ENQUEUED)) == 1
    assert read(world, job).dispatched_at is not None


def test_a_crash_after_which_the_run_went_on(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world)
    plan = CrashPlan(0, before=True)
    jobs = world.state.jobs
    cast("Any", world.state)._jobs = CrashingProxy(jobs, plan, frozenset({"record_dispatched"}))
    with pytest.raises(Crash):
        JobRuns(world.services, instance).tend()
    cast("Any", world.state)._jobs = jobs
    report(instance, job.job_id, Event.PIPELINE_STARTING, Event.PIPELINE_START)
    runs.tend()
    runs.tend()
    assert get_run(instance, job.job_id).status is Status.STARTED
    assert read(world, job).status is JobStatus.RUNNING


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([], JobStatus.QUEUED),
        ([Event.PIPELINE_STARTING], JobStatus.QUEUED),
        ([Event.PIPELINE_START], JobStatus.RUNNING),
        ([Event.PIPELINE_START, Event.PIPELINE_SUCCESS], JobStatus.COMPLETED),
        ([Event.PIPELINE_START, Event.PIPELINE_CANCELED], JobStatus.CANCELLED),
        ([Event.PIPELINE_START, Event.PIPELINE_FAILURE], JobStatus.FAILED),
    ],
)
def test_a_job_is_what_its_run_is(
    world: World,
    instance: dg.DagsterInstance,
    runs: JobRuns,
    events: list[Event],
    status: JobStatus,
) -> None:
    job = accept(world)
    runs.tend()
    report(instance, job.job_id, *events)
    runs.tend()
    assert read(world, job).status is status


def test_a_failed_job_says_why(world: World, instance: dg.DagsterInstance, runs: JobRuns) -> None:
    job = accept(world)
    runs.tend()
    now = world.clock.now()
    line = SyncRecord(KEY, job.source, job.job_id, SyncStatus.FAILED, now, 1.0, error="No room.")
    world.state.record_sync(line)
    report(instance, job.job_id, Event.PIPELINE_START, Event.PIPELINE_FAILURE)
    runs.tend()
    assert read(world, job).error == "No room."


def test_a_run_that_is_tried_again_is_one_job(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world)
    runs.tend()
    run = get_run(instance, job.job_id)
    report(instance, job.job_id, Event.PIPELINE_START)
    runs.tend()
    instance.add_run_tags(job.job_id, {"dagster/will_retry": "true"})
    report(instance, job.job_id, Event.PIPELINE_FAILURE)
    record = instance.get_run_record_by_id(job.job_id)
    assert record is not None
    cast("Any", world.clock)._now = record.update_timestamp
    runs.tend()
    assert read(world, job).status is JobStatus.RUNNING
    retry = dg.DagsterRun(
        job_name=run.job_name,
        run_id="again",
        status=Status.NOT_STARTED,
        tags=run.tags,
        root_run_id=run.run_id,
        parent_run_id=run.run_id,
        remote_job_origin=run.remote_job_origin,
    )
    instance.run_storage.add_run(retry)
    assert runs.find_runs([job.job_id])[job.job_id].dagster_run.run_id == "again"
    report(instance, "again", Event.PIPELINE_START, Event.PIPELINE_SUCCESS)
    runs.tend()
    assert read(world, job).status is JobStatus.COMPLETED


def test_a_retry_that_never_comes_is_a_failure(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world)
    runs.tend()
    instance.add_run_tags(job.job_id, {"dagster/will_retry": "true"})
    report(instance, job.job_id, Event.PIPELINE_START, Event.PIPELINE_FAILURE)
    record = instance.get_run_record_by_id(job.job_id)
    assert record is not None
    cast("Any", world.clock)._now = record.update_timestamp
    world.clock.advance(301)
    runs.tend()
    assert read(world, job).status is JobStatus.FAILED


def test_a_job_that_waits_is_cancelled(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world)
    asked = world.state.jobs.ask_to_cancel(job.job_id, world.clock.now())
    assert asked is not None
    runs.follow(asked)
    assert read(world, job).status is JobStatus.CANCELLED
    runs.tend()
    assert instance.get_runs() == []


def test_a_queued_run_is_cancelled(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world)
    runs.tend()
    world.state.jobs.ask_to_cancel(job.job_id, world.clock.now())
    runs.tend()
    runs.tend()
    assert get_run(instance, job.job_id).status is Status.CANCELED
    assert read(world, job).status is JobStatus.CANCELLED


def test_a_run_whose_process_is_starting_is_not_interrupted_yet(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world)
    runs.tend()
    report(instance, job.job_id, Event.PIPELINE_STARTING)
    world.state.jobs.ask_to_cancel(job.job_id, world.clock.now())
    runs.tend()
    run = get_run(instance, job.job_id)
    assert (run.status, run.tags["dagster/max_retries"]) == (Status.STARTING, "0")
    assert read(world, job).status is JobStatus.CANCELLING


def test_what_replaces_a_job_waits_for_its_end(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    first = accept(world)
    runs.tend()
    report(instance, first.job_id, Event.PIPELINE_START)
    runs.tend()
    second = accept(world, force=True)
    report(instance, first.job_id, Event.PIPELINE_CANCELING)
    runs.tend()
    assert instance.get_run_by_id(second.job_id) is None
    report(instance, first.job_id, Event.PIPELINE_CANCELED)
    runs.tend()
    runs.tend()
    assert get_run(instance, second.job_id).status is Status.QUEUED


def test_a_job_that_waited_too_long_is_skipped(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world)
    world.clock.advance(24 * 3600 + 1)
    runs.tend()
    skipped = read(world, job)
    assert (skipped.status, skipped.error) == (JobStatus.SKIPPED, EXCEEDED)
    assert instance.get_runs() == []


def test_a_queued_run_that_waited_too_long_is_skipped(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world)
    runs.tend()
    world.clock.advance(24 * 3600 + 1)
    runs.tend()
    runs.tend()
    assert (read(world, job).status, read(world, job).error) == (JobStatus.SKIPPED, EXCEEDED)
    assert get_run(instance, job.job_id).status is Status.CANCELED


def test_a_run_that_was_deleted_fails_its_job(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world)
    runs.tend()
    instance.delete_run(job.job_id)
    runs.tend()
    assert read(world, job).error == "Its run was deleted from Dagster."


def test_the_end_is_told_once(world: World, instance: dg.DagsterInstance, runs: JobRuns) -> None:
    world.services.settings = world.services.settings.model_copy(
        update={"webhook_signing_secret": SecretStr("whsec_" + "a" * 44)}
    )
    job = accept(world, webhook_url="https://example.com/hook")
    runs.tend()
    report(instance, job.job_id, Event.PIPELINE_START, Event.PIPELINE_SUCCESS)
    runs.tend()
    runs.tend()
    [delivery] = world.state.deliveries.list_deliveries()
    told = json.loads(delivery.body)
    assert (told["type"], told["data"]["job_id"]) == ("sync.completed", job.job_id)


def test_the_end_is_logged_once(
    world: World,
    instance: dg.DagsterInstance,
    runs: JobRuns,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="ingestion_pipeline")
    job = accept(world)
    runs.tend()
    report(instance, job.job_id, Event.PIPELINE_START)
    runs.tend()
    world.clock.advance(90)
    report(instance, job.job_id, Event.PIPELINE_SUCCESS)
    runs.tend()
    runs.tend()
    [record] = [item for item in caplog.records if "job_id" in item.__dict__]
    assert record.getMessage() == f"Job {job.job_id} ended: sync octo/cat, completed after 90 s"
    names = ("job_id", "repository", "status", "duration_seconds")
    assert [record.__dict__[name] for name in names] == [job.job_id, KEY, "completed", 90.0]


def test_without_a_workspace_nothing_is_lost(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    (world.folder / "workspace.yaml").unlink()
    job = accept(world)
    with pytest.raises(ExceptionGroup) as refused:
        runs.tend()
    [error] = refused.value.exceptions
    assert isinstance(error, ConfigurationError)
    assert "Put the project's own workspace.yaml there" in str(error)
    shutil.copy(ROOT / "workspace.yaml", world.folder)
    runs.tend()
    assert get_run(instance, job.job_id).status is Status.QUEUED


def test_what_ails_one_job_does_not_hold_up_another(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world, accepted_at=world.clock.now() + timedelta(seconds=1))
    world.host.add(make_hosted("octo/dog", 2), {})
    dog = track_repository("octo/dog", None, world.services.hosts, world.state, world.clock)
    world.state.jobs.accept(replace(job, job_id="first", source=dog.source, options="?"), MOST)
    with pytest.raises(ExceptionGroup):
        runs.tend()
    assert get_run(instance, job.job_id).status is Status.QUEUED


def test_a_repository_that_was_untracked_meanwhile_does_not_come_back(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world)
    untrack_repository(KEY, world.state, world.clock)
    instance.delete_dynamic_partition(PARTITIONS_NAME, KEY)
    runs.tend()
    assert read(world, job).error == f"{KEY} is not tracked any more."
    assert not instance.has_dynamic_partition(PARTITIONS_NAME, KEY)


def test_a_repository_that_was_renamed_meanwhile_has_its_new_name(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world)
    world.state.move_partition_key(job.source, "octo/lion")
    runs.tend()
    assert get_run(instance, job.job_id).tags[PARTITION_TAG] == "octo/lion"


def test_a_run_in_progress_is_found_whoever_asked(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    assert list_partition_runs(instance, KEY) == []
    job = accept(world)
    runs.tend()
    assert [run.run_id for run in list_partition_runs(instance, KEY)] == [job.job_id]
    assert runs.find_foreign_run(KEY) is None
    add_run(instance, "sensors", Status.STARTED)
    found = runs.find_foreign_run(KEY)
    assert found is not None
    assert found.run_id == "sensors"


def add_run(instance: dg.DagsterInstance, run_id: str, status: Status, **tags: str) -> None:
    tagged = {PARTITION_TAG: KEY, **tags}
    run = dg.DagsterRun("sync_repository", run_id=run_id, status=status, tags=tagged)
    instance.run_storage.add_run(run)


@pytest.mark.parametrize("status", [Status.NOT_STARTED, Status.STARTED])
def test_a_run_whose_process_is_gone_holds_up_nobody(
    instance: dg.DagsterInstance, runs: JobRuns, status: Status
) -> None:
    add_run(instance, "lost", status, **GONE)
    assert list_partition_runs(instance, KEY) == []
    assert runs.find_foreign_run(KEY) is None


def test_a_forced_job_ends_the_runs_of_others_first(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    """Also where whoever accepted it died at once, and where another one ran as it was asked."""
    add_run(instance, "waits", Status.NOT_STARTED)
    add_run(instance, "starts", Status.STARTING)
    job = accept(world, options='{"force": true}')
    runs.tend()
    assert get_run(instance, "waits").status is Status.CANCELED
    assert instance.get_run_by_id(job.job_id) is None
    assert get_run(instance, "starts").tags[MAX_RETRIES_TAG] == "0"
    report(instance, "starts", Event.RUN_FAILURE)
    runs.tend()
    assert get_run(instance, job.job_id).status is Status.QUEUED


def test_a_job_that_is_not_forced_waits_for_nobody(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    add_run(instance, "works", Status.STARTED)
    job = accept(world)
    runs.tend()
    assert get_run(instance, job.job_id).status is Status.QUEUED


def test_what_was_begun_of_an_untracked_repositorys_run_is_ended(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world)
    add_run(instance, job.job_id, Status.NOT_STARTED, **{"ingestion/job_id": job.job_id})
    untrack_repository(KEY, world.state, world.clock)
    runs.tend()
    assert get_run(instance, job.job_id).status is Status.CANCELED
    assert read(world, job).status is JobStatus.FAILED


def test_another_try_is_not_too_late(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world)
    runs.tend()
    report(instance, job.job_id, Event.RUN_STARTING, Event.RUN_START)
    runs.tend()
    report(instance, job.job_id, Event.RUN_FAILURE)
    tags = {PARTITION_TAG: KEY, "ingestion/job_id": job.job_id}
    again = dg.DagsterRun(
        "sync_repository",
        run_id="again",
        status=Status.NOT_STARTED,
        tags=tags,
        root_run_id=job.job_id,
        parent_run_id=job.job_id,
    )
    instance.run_storage.add_run(again)
    world.clock.advance(25 * 3600)
    runs.tend()
    assert get_run(instance, "again").status is Status.NOT_STARTED
    assert read(world, job).status is JobStatus.RUNNING


def test_a_run_that_the_launcher_found_too_late_was_skipped(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world)
    runs.tend()
    instance.add_run_tags(job.job_id, {SKIPPED_TAG: "true"})
    report(instance, job.job_id, Event.RUN_CANCELED)
    runs.tend()
    assert (read(world, job).status, read(world, job).error) == (JobStatus.SKIPPED, EXCEEDED)


def test_a_job_that_ended_between_two_looks_has_begun(
    world: World, instance: dg.DagsterInstance, runs: JobRuns
) -> None:
    job = accept(world)
    runs.tend()
    report(instance, job.job_id, Event.RUN_STARTING, Event.RUN_START, Event.RUN_SUCCESS)
    runs.tend()
    assert read(world, job).started_at is not None

"""What Dagster's storage knows of partitions: materializations, runs in progress, failures."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterRunStatus as Status

from ingestion_pipeline.core.state import StateStore
from ingestion_pipeline.freshness.evidence import FailureStreak, Materialization, RunFacts
from ingestion_pipeline.orchestration.partitions import ASSET_KEY, PARTITION_TAG
from ingestion_pipeline.orchestration.run_process import is_lost

DATA_VERSION_TAG = "dagster/data_version"
NEVER_PUSHED = "never"
IN_PROGRESS = [
    Status.QUEUED,
    Status.NOT_STARTED,
    Status.STARTING,
    Status.STARTED,
    Status.CANCELING,
]
ENDED = [Status.SUCCESS, Status.FAILURE, Status.CANCELED]
# At the longest delay, six hours, three days still show enough failures in a row to stay there.
_LOOK_BACK = timedelta(days=3)
# SQL takes only so many variables.
_KEYS_PER_QUERY = 200


def collect_run_facts(
    instance: dg.DagsterInstance, state: StateStore, keys: Sequence[str], now: datetime
) -> RunFacts:
    """Read what the freshness decision needs, in a handful of queries for any number of keys."""
    return RunFacts(
        materialized=read_materializations(instance),
        active_runs=read_active_runs(instance),
        failures=read_failures(instance, keys, now),
        indexed_heads=state.list_heads(),
    )


def format_data_version(pushed_at: str, fingerprint: str) -> str:
    """Return the data version of a materialization: what was read, and by which pipeline.

    Dagster's storage finds the newest data version of every partition in one query and no other
    tag, so both facts travel in it.
    """
    return f"{pushed_at or NEVER_PUSHED}|{fingerprint}"


def parse_data_version(data_version: str) -> Materialization:
    """Read ``format_data_version`` back; what it did not write counts as another pipeline."""
    pushed_at, _, fingerprint = data_version.partition("|")
    return Materialization(None if pushed_at == NEVER_PUSHED else pushed_at, fingerprint or None)


def read_materializations(instance: dg.DagsterInstance) -> Mapping[str, Materialization]:
    """Return partition key → what its newest materialization says, in one query."""
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        ASSET_KEY, dg.DagsterEventType.ASSET_MATERIALIZATION, tag_keys=[DATA_VERSION_TAG]
    )
    return {key: parse_data_version(values[DATA_VERSION_TAG]) for key, values in tags.items()}


def read_active_runs(instance: dg.DagsterInstance) -> Mapping[str, Sequence[str]]:
    """Return partition key → ids of its runs that are queued or in progress."""
    active: dict[str, list[str]] = {}
    for record in list_active_runs(instance):
        run = record.dagster_run
        active.setdefault(run.tags[PARTITION_TAG], []).append(run.run_id)
    return active


def list_active_runs(instance: dg.DagsterInstance) -> list[dg.RunRecord]:
    """Return the runs of partitions that are queued or in progress, the newest first."""
    return [
        record
        for record in instance.get_run_records(dg.RunsFilter(statuses=IN_PROGRESS))
        if PARTITION_TAG in record.dagster_run.tags and not is_lost(record.dagster_run)
    ]


def read_failures(
    instance: dg.DagsterInstance, keys: Sequence[str], now: datetime
) -> Mapping[str, FailureStreak]:
    """Return partition key → its failed and canceled runs since the last success.

    One query finds the keys that failed lately, one more for every 200 of them counts.
    """
    since = now - _LOOK_BACK
    lately = dg.RunsFilter(statuses=[Status.FAILURE, Status.CANCELED], updated_after=since)
    failed = {
        record.dagster_run.tags.get(PARTITION_TAG) for record in instance.get_run_records(lately)
    }
    suspects = [key for key in keys if key in failed]
    runs: dict[str, list[dg.RunRecord]] = {}
    for start in range(0, len(suspects), _KEYS_PER_QUERY):
        tags = {PARTITION_TAG: suspects[start : start + _KEYS_PER_QUERY]}
        ended = dg.RunsFilter(statuses=ENDED, tags=tags, updated_after=since)
        for record in instance.get_run_records(ended):
            runs.setdefault(record.dagster_run.tags[PARTITION_TAG], []).append(record)
    streaks = {key: _count(newest_first) for key, newest_first in runs.items()}
    return {key: streak for key, streak in streaks.items() if streak.count}


def _count(newest_first: Iterable[dg.RunRecord]) -> FailureStreak:
    count, last_at = 0, None
    for record in newest_first:
        if record.dagster_run.status is Status.SUCCESS:
            break
        count += 1
        if last_at is None:
            ended = record.end_time or record.update_timestamp.timestamp()
            last_at = datetime.fromtimestamp(ended, UTC)
    return FailureStreak(count, last_at)

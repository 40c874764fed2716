"""What a decision rests on, and the decision."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from ingestion_pipeline.core.code_host import FreshnessReport, RemoteState
from ingestion_pipeline.core.repositories import SourceId, TrackedRepository
from ingestion_pipeline.core.state import SyncRecord, SyncStatus

# In the place of a code version: what was read of some branches says nothing of the others.
PARTIAL = "partial"


class Action(StrEnum):
    """What to do about one repository."""

    RUN = "run"
    REMEMBER = "remember"
    """Pushed, but no tracked branch moved: store the ``pushed_at`` and start nothing."""
    UP_TO_DATE = "up_to_date"
    WAIT = "wait"
    """A run is in progress, or the delay after a failure is not over."""
    UNAVAILABLE = "unavailable"
    """The host does not give us the repository or a tracked branch; a run would change nothing."""
    UNKNOWN = "unknown"
    """The host could not be asked this time."""
    NEEDS_HEADS = "needs_heads"
    """Only the heads of its branches can tell; never an answer of ``decide_all``."""


@dataclass(frozen=True, slots=True)
class Materialization:
    """What the newest materialization of a partition says of itself.

    Args:
        pushed_at: The host's own string when its run began; None when there was none.
        code_version: Fingerprint of the pipeline that wrote it; None when it was not stored.
    """

    pushed_at: str | None
    code_version: str | None


@dataclass(frozen=True, slots=True)
class FailureStreak:
    """The runs that failed, or were canceled, since the last one that succeeded.

    Args:
        count: How many, 0 for none.
        last_at: When the last of them ended, timezone-aware; None exactly when count is 0.
    """

    count: int = 0
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that one decision rests on.

    Args:
        repository: The row.
        remote: The host's answer to the batched check; None when it could not be asked.
        materialized: Of the repository's present key; None when there is none.
        code_version: Fingerprint of the pipeline as it is now.
        indexed_heads: Branch → commit sha last indexed, branches no longer tracked included.
        active_runs: Ids of its queued and running runs.
        failures: Since its last success.
        branch_heads: Branch → head of every tracked branch that exists, from a lookup of its own;
            None when there was none.
    """

    repository: TrackedRepository
    remote: RemoteState | None
    materialized: Materialization | None
    code_version: str
    indexed_heads: Mapping[str, str] = field(default_factory=dict[str, str])
    active_runs: tuple[str, ...] = ()
    failures: FailureStreak = field(default_factory=FailureStreak)
    branch_heads: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about one repository, and why.

    Args:
        repository: The row.
        action: What to do.
        reason: Why, for a person.
        pushed_at: The host's string that the decision is about, "" for none.
        next_try_at: When a failed one may run again; None for all others.
        gone_branches: Tracked branches that the host does not have. A run that starts all the same
            is for the branches that remain.
    """

    repository: TrackedRepository
    action: Action
    reason: str
    pushed_at: str = ""
    next_try_at: datetime | None = None
    gone_branches: tuple[str, ...] = ()

    @property
    def partition_key(self) -> str:
        """Key of the repository."""
        return self.repository.partition_key


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the orchestrator and the state store know of all partitions.

    Args:
        materialized: Partition key → newest materialization.
        active_runs: Partition key → ids of queued and running runs.
        failures: Partition key → failures since the last success.
        indexed_heads: Source → branch → commit sha.
    """

    materialized: Mapping[str, Materialization] = field(default_factory=dict[str, Materialization])
    active_runs: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    failures: Mapping[str, FailureStreak] = field(default_factory=dict[str, FailureStreak])
    indexed_heads: Mapping[SourceId, Mapping[str, str]] = field(
        default_factory=dict[SourceId, Mapping[str, str]]
    )


def collect_evidence(
    repositories: Sequence[TrackedRepository],
    report: FreshnessReport,
    facts: RunFacts,
    make_code_version: Callable[[TrackedRepository], str],
) -> list[Evidence]:
    """Put together what is known of each repository.

    ``make_code_version`` returns the fingerprint of the pipeline with the repository's own options.

    A run that began before a rename is still this repository's, so active runs are looked up under
    former keys too, unless another repository has such a key now.
    """
    present = {row.partition_key for row in repositories}
    evidence: list[Evidence] = []
    for row in repositories:
        key = row.partition_key
        names = (key, *(name for name in row.former_keys if name not in present))
        evidence.append(
            Evidence(
                repository=row,
                remote=report.states.get(row.source),
                materialized=facts.materialized.get(key),
                code_version=make_code_version(row),
                indexed_heads=facts.indexed_heads.get(row.source, {}),
                active_runs=tuple(run for name in names for run in facts.active_runs.get(name, ())),
                failures=facts.failures.get(key, FailureStreak()),
            )
        )
    return evidence


def count_failures(syncs: Sequence[SyncRecord]) -> FailureStreak:
    """Count the failures since the last success.

    Args:
        syncs: History of one partition, newest first; ten lines are enough, since the delay does
            not grow after that.
    """
    failed: list[SyncRecord] = []
    for record in syncs:
        if record.status is SyncStatus.COMPLETE:
            break
        failed.append(record)
    if not failed:
        return FailureStreak()
    ended = failed[0].started_at + timedelta(seconds=failed[0].duration_seconds)
    return FailureStreak(len(failed), ended)

"""Asset checks: is what we believe in the store really there?

Within the run of a partition they look at that repository, and no longer than is fair beside the
run; launched alone they look at every tracked one, whole. (A check with partitions of its own is a
preview feature of Dagster 1.13.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import dagster as dg
import numpy as np

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import IngestionError, RepositoryBusyError
from ingestion_pipeline.core.points import PointFilter, StoredPoint
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.indexing.verify_report import VerifyReport
from ingestion_pipeline.orchestration.partitions import ASSET_KEY, PARTITION_TAG
from ingestion_pipeline.orchestration.run_facts import read_materializations
from ingestion_pipeline.orchestration.verify import (
    MAX_POINTS_IN_RUN,
    verify_in_run,
    verify_tracked,
)
from ingestion_pipeline.points.build import REPOSITORY_KIND
from ingestion_pipeline.points.write import branch_filter

UNIT_LENGTH_TOLERANCE = 1e-3
MAX_VECTORS_IN_RUN = 1000
_EXAMPLES = 5
_DESCRIPTION_CHARACTERS = 1000

Problem = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a look at one repository brought.

    Args:
        problem: What is wrong, empty for nothing.
        note: What was left out, and why.
    """

    problem: Problem = field(default_factory=Problem)
    note: str = ""


LookAt = Callable[[TrackedRepository], Outcome]


@dg.asset_check(
    asset=ASSET_KEY,
    required_resource_keys={"services"},
    description="The store holds as many points of each repository as the state says.",
)
def points_match_state(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Count both sides."""
    services: Services = context.resources.services

    def look_at(repository: TrackedRepository) -> Outcome:
        stored = _count_points(services, repository)
        expected = services.state.count_points(repository.source)
        return Outcome({} if stored == expected else {"stored": stored, "expected": expected})

    return _check_each(_choose(context, services), look_at)


@dg.asset_check(
    asset=ASSET_KEY,
    required_resource_keys={"services"},
    description="The newest last_pushed_at in the payload is the materialization's.",
)
def pushed_at_matches_materialization(
    context: dg.AssetCheckExecutionContext,
) -> dg.AssetCheckResult:
    """Compare the repository points' stamp with the newest materialization's data version."""
    services: Services = context.resources.services
    materialized = read_materializations(context.instance)

    def look_at(repository: TrackedRepository) -> Outcome:
        known = materialized.get(repository.partition_key)
        where = PointFilter({"source": str(repository.source), "kind": REPOSITORY_KIND})
        stamps = [
            str(point.payload["last_pushed_at"])
            for collection in _list_collections(services, repository)
            for point in services.store.scroll(collection, where)
        ]
        # Without a branch there is no point to carry the stamp, and nothing was promised.
        if known is None or not stamps:
            return Outcome()
        expected = known.pushed_at or ""
        right = max(stamps) == expected
        return Outcome({} if right else {"payload": stamps, "expected": expected})

    return _check_each(_choose(context, services), look_at)


@dg.asset_check(
    asset=ASSET_KEY,
    required_resource_keys={"services"},
    description=(
        "Every dense vector is finite and of unit length. Within a sync's run the first "
        f"{MAX_VECTORS_IN_RUN:,} in order of id are read, ids being uniform hashes; executed "
        "alone, all are."
    ),
)
def vectors_are_unit_length(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Read vectors back."""
    services: Services = context.resources.services
    limit = MAX_VECTORS_IN_RUN if _is_in_run(context) else None

    def look_at(repository: TrackedRepository) -> Outcome:
        where = PointFilter({"source": str(repository.source)})
        points = chain.from_iterable(
            services.store.scroll(collection, where, with_vectors=True)
            for collection in _list_collections(services, repository)
        )
        bad = [point.id for point in islice(points, limit) if not is_unit_length(point)]
        return Outcome({"bad": len(bad), "examples": bad[:_EXAMPLES]} if bad else {})

    return _check_each(_choose(context, services), look_at)


@dg.asset_check(
    asset=ASSET_KEY,
    required_resource_keys={"services"},
    description=(
        "The indexed tree, the state's documents and the store's points agree, in both directions. "
        f"Within a sync's run more than {MAX_POINTS_IN_RUN:,} points, and those of a run that "
        "wrote nothing, are only counted; executed alone, or by `ingestion-pipeline verify`, all "
        "are compared. `ingestion-pipeline verify --repair` puts right what is wrong."
    ),
)
def points_match_tree(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Verify."""
    services: Services = context.resources.services
    run_id = context.run.run_id if _is_in_run(context) else ""

    def look_at(repository: TrackedRepository) -> Outcome:
        if not run_id:
            return Outcome(_list_faults(verify_tracked(services, repository)))
        report, reason = verify_in_run(services, repository, run_id)
        command = f"`ingestion-pipeline verify {repository.partition_key}`"
        note = f"compared by numbers, since {reason}; {command} compares all" if reason else ""
        return Outcome(_list_faults(report), note)

    return _check_each(_choose(context, services), look_at)


def is_unit_length(point: StoredPoint) -> bool:
    """Whether the dense vector is there, finite, and of length 1 within a thousandth."""
    if point.dense is None:
        return False
    norm = float(np.linalg.norm(np.asarray(point.dense, dtype=np.float64)))
    return bool(np.isfinite(norm)) and abs(norm - 1) <= UNIT_LENGTH_TOLERANCE


def all_checks() -> Sequence[dg.AssetChecksDefinition]:
    """Return every check of the asset."""
    return [
        points_match_state,
        points_match_tree,
        pushed_at_matches_materialization,
        vectors_are_unit_length,
    ]


def _list_collections(services: Services, repository: TrackedRepository) -> list[str]:
    """Return where a repository's points are: during a roll-out not all have moved."""
    branches = services.state.list_branches(repository.source)
    return sorted({branch.collection for branch in branches}) or [services.collection.name]


def _count_points(services: Services, repository: TrackedRepository) -> int:
    """Return how many points there are of a repository where its rows say that they are.

    By branch: one that moved has points in the collection that others are still in, too.
    """
    source, store = repository.source, services.store
    rows = services.state.list_branches(source)
    if {row.collection for row in rows} <= {services.collection.name}:
        return store.count(services.collection.name, PointFilter({"source": str(source)}))
    return sum(store.count(row.collection, branch_filter(source, row.branch)) for row in rows)


def _list_faults(report: VerifyReport) -> Problem:
    return {} if report.is_true else {"faults": report.describe()}


def _is_in_run(context: dg.AssetCheckExecutionContext) -> bool:
    """Whether the check is part of a partition's sync, which holds the repository's lock."""
    return PARTITION_TAG in context.run.tags


def _choose(
    context: dg.AssetCheckExecutionContext, services: Services
) -> Sequence[TrackedRepository]:
    key = context.run.tags.get(PARTITION_TAG)
    rows = services.state.list_repositories()
    if key is None:
        return rows
    # A run that began before a rename is still about the same repository.
    return [row for row in rows if key in (row.partition_key, *row.former_keys)]


def _check_each(rows: Sequence[TrackedRepository], look_at: LookAt) -> dg.AssetCheckResult:
    outcomes = {row.partition_key: _look(row, look_at) for row in rows}
    problems = {key: outcome.problem for key, outcome in outcomes.items() if outcome.problem}
    notes = [f"{key}: {outcome.note}" for key, outcome in outcomes.items() if outcome.note]
    wrong = [f"{key}: {problem}" for key, problem in problems.items()]
    looked_at = rows[0].partition_key if len(rows) == 1 else f"{len(rows):,} repositories"
    said = "; ".join([*wrong, *notes] if wrong else [f"{looked_at}: as it should be", *notes])
    return dg.AssetCheckResult(
        passed=not problems,
        # Checks have no partitions yet, so the UI tells by this line alone what was looked at.
        description=f"{said}."[:_DESCRIPTION_CHARACTERS],
        metadata={"repositories": len(rows), "problems": dg.MetadataValue.json(problems)},
    )


def _look(repository: TrackedRepository, look_at: LookAt) -> Outcome:
    """Look at one repository; what it fails at keeps nobody from looking at the others."""
    try:
        return look_at(repository)
    except RepositoryBusyError:
        return Outcome(note="not looked at, a run is working on it")
    except IngestionError as error:
        return Outcome({"error": str(error)})

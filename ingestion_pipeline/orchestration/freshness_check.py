"""One freshness check from the tracked rows to the runs to ask for."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.code_host import FreshnessReport
from ingestion_pipeline.core.errors import IngestionError
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.freshness.check import ask_hosts, decide_all, store_findings
from ingestion_pipeline.freshness.evidence import Decision, RunFacts, collect_evidence
from ingestion_pipeline.orchestration.partitions import PARTITIONS_NAME
from ingestion_pipeline.orchestration.run_facts import collect_run_facts
from ingestion_pipeline.tracking.reconcile import reconcile_partitions
from ingestion_pipeline.tracking.rename import follow_renames
from ingestion_pipeline.tracking.track import adopt_repository


@dataclass(frozen=True, slots=True)
class FreshnessCheck:
    """What one check found.

    Args:
        decisions: One a repository that was looked at.
        report: What the hosts said.
        notes: Things a person should know: renames, partitions that cannot be used.
    """

    decisions: Sequence[Decision]
    report: FreshnessReport
    notes: tuple[str, ...] = ()


def check_freshness(
    services: Services,
    instance: dg.DagsterInstance,
    repositories: Sequence[TrackedRepository],
    *,
    facts: RunFacts | None = None,
    look_up_all: bool = False,
) -> FreshnessCheck:
    """Ask the hosts, follow renames, decide, and store what was learnt.

    Args:
        services: Ports.
        instance: Where runs and materializations are recorded.
        repositories: The rows to look at, the most urgent first.
        facts: What is known of their runs, where the caller has just read it.
        look_up_all: Also look up the heads of every tracked branch.
    """
    report = ask_hosts(repositories, services.hosts)
    renames = follow_renames(repositories, report.states, services.state)
    notes = [f"{row.former_keys[-1]} is called {row.partition_key} now" for row in renames.moved]
    notes += [f"{row.partition_key}: its new name is taken" for row in renames.blocked]
    if renames.moved:
        notes += sync_partitions(services, instance)
    present = {row.source: row for row in renames.moved}
    rows = [present.get(row.source, row) for row in repositories]
    now = services.clock.now()
    if facts is None:
        keys = [row.partition_key for row in rows]
        facts = collect_run_facts(instance, services.state, keys, now)
    evidence = collect_evidence(rows, report, facts, services.make_fingerprint)
    decisions = decide_all(evidence, services.hosts, now, look_up_all=look_up_all)
    store_findings(decisions, report, services.state)
    return FreshnessCheck(decisions, report, tuple(notes))


def sync_partitions(services: Services, instance: dg.DagsterInstance) -> list[str]:
    """Make Dagster's partition keys those of the tracked rows, and track keys added by hand.

    Returns:
        Notes on keys that could not be used.
    """
    state = services.state
    rows = state.list_repositories(include_untracked=True)
    keys = instance.get_dynamic_partitions(PARTITIONS_NAME)
    tracked = [row for row in rows if row.untracked_at is None]
    untracked = [row for row in rows if row.untracked_at is not None]
    plan = reconcile_partitions(tracked, untracked, keys)
    if plan.add:
        instance.add_dynamic_partitions(PARTITIONS_NAME, list(plan.add))
        _take_back_untracked(services, instance, plan.add)
    for key in plan.remove:
        instance.delete_dynamic_partition(PARTITIONS_NAME, key)
    notes = list(plan.rejected.values())
    for key in plan.adopt:
        try:
            row = adopt_repository(key, services.hosts, state, services.clock)
        except IngestionError as error:
            notes.append(f"Partition {key} could not be tracked: {error}")
            continue
        if row.partition_key != key:
            instance.add_dynamic_partitions(PARTITIONS_NAME, [row.partition_key])
    return notes


def _take_back_untracked(
    services: Services, instance: dg.DagsterInstance, added: Sequence[str]
) -> None:
    """Remove keys whose repository was untracked since the rows were read.

    A key left behind would be taken for one that a person added, and tracked again.
    """
    tracked = {row.partition_key for row in services.state.list_repositories()}
    for key in set(added) - tracked:
        instance.delete_dynamic_partition(PARTITIONS_NAME, key)

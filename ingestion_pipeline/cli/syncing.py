"""``ingestion-pipeline run | sync``: index now, in this process, through Dagster."""

import itertools
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

import click
import dagster as dg
from rich.table import Table

from ingestion_pipeline.cli.opening import (
    console,
    looks_like_path,
    open_command,
    track_reference,
)
from ingestion_pipeline.cli.searching import find_by_words, print_hits
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import HostUnavailableError, RepositoryNotTrackedError
from ingestion_pipeline.core.points import PointFilter
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.core.terms import split_identifier
from ingestion_pipeline.freshness.evidence import Action
from ingestion_pipeline.orchestration.freshness_check import check_freshness, sync_partitions
from ingestion_pipeline.orchestration.instance import open_instance
from ingestion_pipeline.orchestration.launch import SyncFailedError, SyncRun, sync_partition
from ingestion_pipeline.search.hits import SearchFilters

STAGES = ("clone", "parse", "embed", "upsert")
_SAMPLE_SYMBOLS = 2000


@click.command()
@click.argument("repository", default=".")
@click.option("--branch", "branches", multiple=True, help="Branch to index; may be repeated.")
def run(repository: str, branches: tuple[str, ...]) -> None:
    """Track REPOSITORY (a path, owner/name or a URL), index it, and show what was indexed."""
    with open_command() as services, open_instance(services.settings) as instance:
        local = looks_like_path(repository)
        row = track_reference(services, repository, branches or None, local=local)
        sync_partitions(services, instance)
        with console.status(f"Indexing {row.partition_key} …"):
            finished = sync_partition(instance, row.partition_key)
        print_sync(row.partition_key, finished)
        print_samples(services, row)
    console.print("\nUI: `make dev`, then http://127.0.0.1:3000", markup=False)


@click.command()
@click.argument("partitions", nargs=-1)
@click.option("--force", is_flag=True, help="Also what is up to date.")
def sync(partitions: tuple[str, ...], force: bool) -> None:
    """Index every stale repository, or the PARTITIONS (owner/name) given, one after another."""
    failures: list[str] = []
    with open_command() as services, open_instance(services.settings) as instance:
        keys, problem = _choose(services, instance, partitions, force=force)
        for key in keys:
            try:
                with console.status(f"Indexing {key} …"):
                    finished = sync_partition(instance, key)
            except SyncFailedError as error:
                failures.append(key)
                console.print(f"{key}: failed: {error}", markup=False, style="red")
                continue
            print_sync(key, finished)
    if failures:
        raise SyncFailedError(f"{len(failures)} of the runs failed: {', '.join(failures)}")
    if problem:
        raise HostUnavailableError(f"Not every repository could be checked. {problem}")


def print_sync(partition_key: str, finished: SyncRun) -> None:
    """Print what a run did and how long each stage took."""
    facts = finished.metadata
    console.print(
        f"Indexed {partition_key} at {facts['head']}: {facts['files']:,} files, "
        f"{facts['symbols']:,} symbols, {facts['points']:,} points "
        f"({facts['points_added']:,} added, {facts['points_changed']:,} changed, "
        f"{facts['points_deleted']:,} deleted; {facts['files_parsed']:,} files parsed).",
        markup=False,
    )
    table = Table(*STAGES, "together", title="seconds")
    seconds = [_number(facts, f"seconds_{stage}") for stage in STAGES]
    table.add_row(*(f"{value:.2f}" for value in (*seconds, sum(seconds))))
    console.print(table)
    for check in finished.failed_checks:
        console.print(f"Check failed: {check}", style="red")


def print_samples(services: Services, row: TrackedRepository) -> None:
    """Print three hits for words out of the repository itself."""
    words = _pick_words(services, row)
    if not words:
        return
    console.print(f"\nSearch: {words}", markup=False)
    repo = services.state.find_source(row.source) or row
    print_hits(find_by_words(services, words, SearchFilters(repo=repo.hosted.full_name), 3))


def _choose(
    services: Services, instance: dg.DagsterInstance, partitions: tuple[str, ...], *, force: bool
) -> tuple[list[str], str]:
    """Return the partitions to index, and why some could not be asked about, "" when all were."""
    notes = sync_partitions(services, instance)
    rows = services.state.list_repositories()
    known = {row.partition_key: row for row in rows}
    for key in partitions:
        if key not in known:
            raise RepositoryNotTrackedError(
                f"{key} is not tracked. Track it first: ingestion-pipeline track {key}"
            )
    wanted = [known[key] for key in partitions] if partitions else rows
    if force:
        return [row.partition_key for row in wanted], ""
    check = check_freshness(services, instance, wanted)
    for note in (*notes, *check.notes):
        console.print(note, markup=False)
    # Who names a repository does not want to wait for the delay after its last failure.
    chosen = [
        decision
        for decision in check.decisions
        if decision.action is Action.RUN or (partitions and decision.next_try_at)
    ]
    for decision in check.decisions:
        if decision not in chosen:
            console.print(f"{decision.partition_key}: {decision.reason}", markup=False)
    return [decision.partition_key for decision in chosen], check.report.problem


def _pick_words(services: Services, row: TrackedRepository) -> str:
    """Return the words of the symbol (or file) whose name says most, in up to four words."""
    kinds = ("function", "method", "class", "file")
    where = PointFilter({"source": str(row.source), "kind": kinds})
    points = services.store.scroll(services.collection.name, where)
    names = (
        str(point.payload["symbol"] or PurePosixPath(point.payload["path"]).stem).rsplit(".", 1)[-1]
        for point in itertools.islice(points, _SAMPLE_SYMBOLS)
        if "test" not in point.payload["path"]
    )
    candidates = {name: len(set(split_identifier(name))) for name in names}
    fitting = {name: count for name, count in candidates.items() if 1 <= count <= 4}
    if not fitting:
        return ""
    best = max(fitting, key=lambda name: (fitting[name], name))
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_\W]+", " ", best).strip().lower()


def _number(facts: Mapping[str, object], name: str) -> float:
    value = facts[name]
    if not isinstance(value, int | float):
        raise TypeError(f"{name} is not a number: {value!r}")
    return float(value)

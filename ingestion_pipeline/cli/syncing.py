"""``ingestion-pipeline run | sync``: index now, in this process, through Dagster."""

import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePosixPath

import click
import dagster as dg
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from ingestion_pipeline.cli.opening import (
    IGNORE_HELP,
    console,
    looks_like_path,
    open_command,
    track_reference,
)
from ingestion_pipeline.cli.searching import print_hits
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import HostUnavailableError
from ingestion_pipeline.core.points import PointFilter
from ingestion_pipeline.core.repositories import SourceKind, TrackedRepository
from ingestion_pipeline.core.terms import split_identifier
from ingestion_pipeline.freshness.evidence import Action
from ingestion_pipeline.indexing.progress import Snapshot
from ingestion_pipeline.indexing.rules import SyncOptions
from ingestion_pipeline.orchestration.freshness_check import check_freshness, sync_partitions
from ingestion_pipeline.orchestration.instance import open_instance
from ingestion_pipeline.orchestration.launch import SyncFailedError, SyncRun, sync_partition
from ingestion_pipeline.orchestration.preview import (
    describe_preview,
    preview_repository,
    require_known,
)
from ingestion_pipeline.orchestration.run_progress import show_in_terminal
from ingestion_pipeline.parse.ignore import validate_ignore_patterns
from ingestion_pipeline.queries import find_by_words
from ingestion_pipeline.search.hits import SearchFilters
from ingestion_pipeline.tracking.branches import validate_branches
from ingestion_pipeline.tracking.track import find_tracked

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
        with show_progress(row.partition_key):
            finished = sync_partition(instance, row.partition_key)
        print_sync(row.partition_key, finished)
        print_samples(services, row)
    console.print(
        "\n`make dev`: Dagster on http://127.0.0.1:3000, a page to search on http://127.0.0.1:8080",
        markup=False,
    )


@click.command()
@click.argument("partitions", nargs=-1)
@click.option("--force", is_flag=True, help="Also what is up to date.")
@click.option(
    "--dry-run", is_flag=True, help="Only say what would be done, and what it would cost."
)
@click.option("--full-reindex", is_flag=True, help="Parse, embed and write every file again.")
@click.option("--branch", "branches", multiple=True, help="Index these branches from now on.")
@click.option("--ignore", "patterns", multiple=True, help=IGNORE_HELP)
@click.option(
    "--allow-mass-deletion", is_flag=True, help="Go on though most of a repository is gone."
)
def sync(
    partitions: tuple[str, ...],
    force: bool,
    dry_run: bool,
    full_reindex: bool,
    branches: tuple[str, ...],
    patterns: tuple[str, ...],
    allow_mass_deletion: bool,
) -> None:
    """Index every stale repository, or the PARTITIONS (owner/name) given, one after another."""
    options = SyncOptions(full_reindex, allow_mass_deletion)
    if not partitions and (branches or patterns or allow_mass_deletion):
        raise click.UsageError("Name the PARTITIONS that --branch, --ignore or … are for.")
    failures: list[str] = []
    with open_command() as services, open_instance(services.settings) as instance:
        if dry_run:
            _preview(services, partitions, options, branches, patterns)
            return
        if not services.state.list_repositories():
            console.print("Nothing is tracked yet: ingestion-pipeline track owner/name")
        _change_options(services, partitions, branches, patterns)
        force = force or full_reindex or allow_mass_deletion
        keys, problem = _choose(services, instance, partitions, force=force)
        for key in keys:
            try:
                with show_progress(key):
                    finished = sync_partition(instance, key, options)
            except SyncFailedError as error:
                failures.append(key)
                console.print(f"{key}: failed: {error}", markup=False, style="red")
                continue
            print_sync(key, finished)
    if failures:
        raise SyncFailedError(f"{len(failures)} of the runs failed: {', '.join(failures)}")
    if problem:
        raise HostUnavailableError(f"Not every repository could be checked. {problem}")


def _preview(
    services: Services,
    partitions: tuple[str, ...],
    options: SyncOptions,
    branches: tuple[str, ...],
    patterns: tuple[str, ...],
) -> None:
    """Print what a sync would do; nothing is stored."""
    keys = partitions or tuple(row.partition_key for row in services.state.list_repositories())
    if not keys:
        console.print("Nothing is tracked yet: ingestion-pipeline track owner/name")
    for key in keys:
        row = require_known(services, key)
        if branches:
            row = replace(row, branches=validate_branches(branches))
        if patterns:
            validate_ignore_patterns(patterns)
            row = replace(row, ignore_patterns=patterns)
        for line in describe_preview(preview_repository(services, row, options)):
            console.print(line, markup=False)


def _change_options(
    services: Services,
    partitions: tuple[str, ...],
    branches: tuple[str, ...],
    patterns: tuple[str, ...],
) -> None:
    """Keep the options of a sync, or the next sensor tick would undo what they did."""
    if not branches and not patterns:
        return
    for row in [find_tracked(key, services.state) for key in partitions]:
        local = row.source.kind is SourceKind.LOCAL
        reference = row.hosted.clone_url if local else row.partition_key
        track_reference(
            services, reference, branches or None, local=local, ignore_patterns=patterns or None
        )


@contextmanager
def show_progress(partition_key: str) -> Iterator[None]:
    """Show the progress of the runs of this process as a bar, where there is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[current]}", table_column=Column(no_wrap=True, ratio=1)),
    )
    quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True, expand=True, disable=quiet) as bars:
        task = bars.add_task(escape(partition_key), total=None, count="", current="")

        def show(snapshot: Snapshot) -> None:
            count = f"{snapshot.done:,}/{snapshot.total:,}" if snapshot.total else ""
            bars.update(
                task,
                description=f"{escape(partition_key)} {snapshot.stage}",
                completed=snapshot.done,
                total=snapshot.total or None,
                count=count,
                current=escape(snapshot.current),
            )

        with show_in_terminal(show):
            yield


def print_sync(partition_key: str, finished: SyncRun) -> None:
    """Print what a run did and how long each stage took."""
    facts = finished.metadata
    console.print(
        f"Indexed {partition_key} at {facts['head']}: {facts['files']:,} files, "
        f"{facts['symbols']:,} symbols, {facts['points']:,} points "
        f"({facts['points_added']:,} added, {facts['points_changed']:,} changed, "
        f"{facts['points_deleted']:,} deleted; {facts['files_parsed']:,} files parsed, "
        f"{facts['points_embedded']:,} points embedded).",
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
    wanted = [find_tracked(key, services.state) for key in partitions] if partitions else rows
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

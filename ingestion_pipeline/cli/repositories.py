"""``ingestion-pipeline track | untrack | repositories``."""

from pathlib import Path

import click
from rich.table import Table

from ingestion_pipeline.cli.opening import IGNORE_HELP, console, open_command, track_reference
from ingestion_pipeline.cli.rollouts import describe_rollout
from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.freshness.evidence import Decision
from ingestion_pipeline.orchestration.freshness_check import check_freshness, sync_partitions
from ingestion_pipeline.orchestration.instance import open_instance
from ingestion_pipeline.orchestration.purge import list_untracked
from ingestion_pipeline.orchestration.untracking import untrack as untrack_partition


@click.command()
@click.argument("repository", required=False)
@click.option("--path", type=click.Path(path_type=Path), help="A git repository on this machine.")
@click.option("--branch", "branches", multiple=True, help="Branch to index; may be repeated.")
@click.option("--default-branch", is_flag=True, help="Index the default branch again.")
@click.option("--ignore", "patterns", multiple=True, help=IGNORE_HELP)
@click.option("--ignore-nothing", is_flag=True, help="Drop the patterns given with --ignore.")
def track(
    repository: str | None,
    path: Path | None,
    branches: tuple[str, ...],
    default_branch: bool,
    patterns: tuple[str, ...],
    ignore_nothing: bool,
) -> None:
    """Track REPOSITORY (owner/name or a URL), or change what is indexed of it."""
    if (repository is None) == (path is None):
        raise click.UsageError("Give either owner/name or --path DIRECTORY.")
    wanted = branches if branches or default_branch else None
    with open_command() as services, open_instance(services.settings) as instance:
        row = track_reference(
            services,
            str(path) if path else str(repository),
            wanted,
            local=path is not None,
            ignore_patterns=patterns if patterns or ignore_nothing else None,
        )
        sync_partitions(services, instance)
    names = ", ".join(row.tracked_branches) or "no branch yet: the repository is empty"
    console.print(f"Tracking {row.partition_key} ({names}).", markup=False)


@click.command()
@click.argument("partition")
@click.option("--purge", is_flag=True, help="Also delete its points now.")
def untrack(partition: str, purge: bool) -> None:
    """Stop tracking PARTITION (owner/name). Its points are purged a day later."""
    with open_command() as services, open_instance(services.settings) as instance:
        deleted = untrack_partition(services, instance, partition, purge=purge)
        if purge:
            console.print(f"Untracked {partition} and deleted {deleted:,} points.", markup=False)
            return
    console.print(
        f"Untracked {partition}. Its points go in {services.settings.purge_after_hours:g} hours, "
        f"or now: ingestion-pipeline untrack {partition} --purge",
        markup=False,
    )


@click.command()
@click.option("--offline", is_flag=True, help="Do not ask the hosts.")
def repositories(offline: bool) -> None:
    """List tracked repositories: head, freshness, last run, points."""
    with open_command() as services, open_instance(services.settings) as instance:
        notes = [] if offline else sync_partitions(services, instance)
        rows, waiting = services.state.list_repositories(), list_untracked(services)
        decisions: dict[str, Decision] = {}
        if rows and not offline:
            check = check_freshness(services, instance, rows)
            decisions = {str(d.repository.source): d for d in check.decisions}
            notes += [*check.notes, *([check.report.problem] if check.report.problem else [])]
            rows = services.state.list_repositories()
        if not rows and not waiting:
            console.print("Nothing is tracked yet: ingestion-pipeline track owner/name")
            return
        table = Table()
        for title in ("partition", "branch @ head", "freshness", "last run", "points"):
            # Folded, never cut: a name that is cut cannot be typed.
            table.add_column(title, overflow="fold")
        for row in rows:
            decision = decisions.get(str(row.source))
            freshness = f"{decision.action}: {decision.reason}" if decision else "not asked"
            if row.status_detail:
                freshness = f"{row.hosted.status}: {row.status_detail}"
            branches = services.state.list_branches(row.source)
            heads = "\n".join(f"{b.branch} @ {b.head_sha[:7] or '…'}" for b in branches) or "-"
            syncs = services.state.list_syncs(row.partition_key, limit=1)
            last = f"{format_utc(syncs[0].started_at)} {syncs[0].status}" if syncs else "never"
            points = f"{services.state.count_points(row.source):,}"
            table.add_row(row.partition_key, heads, freshness, last, points)
        for at, row in waiting:
            points = f"{services.state.count_points(row.source):,}"
            due = f"untracked, purged after {format_utc(at)}"
            table.add_row(row.partition_key, "-", due, "-", points)
        console.print(table)
        for note in (*notes, describe_rollout(services)):
            if note:
                console.print(note, markup=False)

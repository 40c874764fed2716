"""``ingestion-pipeline verify``: is the index true, and what puts it right."""

import click
import dagster as dg
from rich.table import Table

from ingestion_pipeline.cli.opening import console, open_command
from ingestion_pipeline.cli.syncing import print_sync, show_progress
from ingestion_pipeline.composition import Services
from ingestion_pipeline.core.errors import IngestionError
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.indexing.verify_report import MISSING, ORPHAN, WRONG, VerifyReport
from ingestion_pipeline.orchestration.freshness_check import sync_partitions
from ingestion_pipeline.orchestration.instance import open_instance
from ingestion_pipeline.orchestration.launch import sync_partition
from ingestion_pipeline.orchestration.verify import count_strangers, repair_tracked, verify_tracked
from ingestion_pipeline.tracking.track import find_tracked


class NotTrueError(IngestionError):
    """Tree, state and store do not agree, or could not all be compared."""


@click.command()
@click.argument("partitions", nargs=-1)
@click.option("--repair", is_flag=True, help="Put right what is wrong, and only that, then sync.")
def verify(partitions: tuple[str, ...], repair: bool) -> None:
    """Compare tree, state and store of every repository, or of the PARTITIONS (owner/name)."""
    reports: list[VerifyReport] = []
    failures: list[str] = []
    with open_command() as services, open_instance(services.settings) as instance:
        rows = _choose(services, partitions)
        if repair:
            sync_partitions(services, instance)  # a run needs the key
        for row in rows:
            try:
                reports.append(_look_at(services, instance, row, repair=repair))
            except IngestionError as error:
                failures.append(row.partition_key)
                console.print(f"{row.partition_key}: not compared: {error}", markup=False)
        strangers = 0 if partitions else count_strangers(services)
    if strangers:
        console.print(
            f"{strangers:,} points are of repositories that were never tracked here, or whose rows "
            "were lost: track those again, or drop the points by their payload's source."
        )
    if not rows:
        console.print("Nothing is tracked yet: ingestion-pipeline track owner/name")
        return
    if reports:
        console.print(_make_table(reports))
    _conclude(reports, failures, repaired=repair)


def _look_at(
    services: Services, instance: dg.DagsterInstance, row: TrackedRepository, *, repair: bool
) -> VerifyReport:
    """Verify one repository and tell; with ``repair`` mend it, and return what is wrong still."""
    key = row.partition_key
    if not repair:
        with console.status(f"Verifying {key} …"):
            report = verify_tracked(services, row)
        _tell(report)
        return report
    with console.status(f"Repairing {key} …"):
        repaired = repair_tracked(services, row)
    _tell(repaired.found)
    if repaired.found.is_true:
        return repaired.found
    console.print(
        f"{key}: {repaired.points_deleted:,} points deleted, {repaired.documents_marked:,} files "
        "to be written again.",
        markup=False,
    )
    if repaired.needs_sync:
        with show_progress(key):
            finished = sync_partition(instance, key)
        print_sync(key, finished)
    with console.status(f"Verifying {key} …"):
        report = verify_tracked(services, row)
    _tell(report)
    return report


def _choose(services: Services, partitions: tuple[str, ...]) -> list[TrackedRepository]:
    if not partitions:
        return services.state.list_repositories()
    return [find_tracked(key, services.state) for key in dict.fromkeys(partitions)]


def _tell(report: VerifyReport) -> None:
    for line in report.describe():
        console.print(f"{report.partition_key} {line}", markup=False)


def _make_table(reports: list[VerifyReport]) -> Table:
    table = Table()
    for title in ("partition", "branch"):
        # Folded, never cut: a name that is cut cannot be typed.
        table.add_column(title, overflow="fold")
    for title in ("checked", "missing", "orphan", "wrong"):
        table.add_column(title, justify="right")
    for report in reports:
        for branch in report.branches:
            numbers = (branch.checked, *(branch.count(kind) for kind in (MISSING, ORPHAN, WRONG)))
            table.add_row(report.partition_key, branch.branch, *(f"{n:,}" for n in numbers))
    return table


def _conclude(reports: list[VerifyReport], failures: list[str], *, repaired: bool) -> None:
    """Pass when everything was compared and agrees.

    Raises:
        NotTrueError: With what to do about it.
    """
    wrong = [report.partition_key for report in reports if not report.is_true]
    said: list[str] = []
    if wrong:
        advice = (
            "Something changed meanwhile, or the sync could not write it; run it again."
            if repaired
            else f"Put it right: ingestion-pipeline verify {' '.join(wrong)} --repair"
        )
        said.append(f"Not as it should be: {', '.join(wrong)}. {advice}")
    if failures:
        said.append(f"Not compared: {', '.join(failures)}.")
    if said:
        raise NotTrueError(" ".join(said))

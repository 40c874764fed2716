"""Step 1: bring the mirror up to date and find out what has to be done."""

import shutil
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from ingestion_pipeline.core.clock import Clock
from ingestion_pipeline.core.code_host import CodeHost
from ingestion_pipeline.core.errors import BranchNotFoundError
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.indexing.changes import save_changes
from ingestion_pipeline.indexing.handles import ClonedBranch, ClonedRepository
from ingestion_pipeline.indexing.planning import BranchPlan, Planner
from ingestion_pipeline.indexing.progress import Progress
from ingestion_pipeline.indexing.record_cache import RecordCache
from ingestion_pipeline.indexing.relations import save_commits
from ingestion_pipeline.indexing.rules import DEFAULT_OPTIONS, SyncOptions
from ingestion_pipeline.indexing.target import IndexTarget
from ingestion_pipeline.indexing.work_disk import explaining_full_disk
from ingestion_pipeline.sources.git import GitMirror
from ingestion_pipeline.sources.git.commits import Commit

# A failed run can be taken up again for this long; then its work files are swept.
WORK_FOLDER_LIFETIME = timedelta(days=3)


def clone_repository(
    repository: TrackedRepository,
    host: CodeHost,
    mirror: GitMirror,
    target: IndexTarget,
    records: RecordCache,
    work_folder: Path,
    clock: Clock,
    progress: Progress,
    options: SyncOptions = DEFAULT_OPTIONS,
) -> ClonedRepository:
    """Fetch the tracked branches, compare their trees with the state, and fetch missing blobs.

    Raises:
        BranchNotFoundError: Branches are tracked and the host has none of them, or one was asked
            for that is not tracked.
        MassDeletionError: Most of a branch's files are gone.
        IngestionError: Whatever the fetch meets; earlier points stay as they were.
    """
    started_at, begin = clock.now(), time.perf_counter()
    sweep_work_folders(work_folder.parent, started_at)
    wanted = choose_branches(repository, options)
    source = host.get_fetch_source(repository.hosted)
    progress.start(0, "fetching commits")
    try:
        fetched = mirror.fetch(source, wanted)
    except BranchNotFoundError as error:
        raise BranchNotFoundError(
            f"{repository.partition_key} has no branch {', '.join(wanted)} any more. Choose others "
            f"with `ingestion-pipeline track {repository.partition_key} --branch NAME`; the points "
            "of the last sync stay until then."
        ) from error
    missing = tuple(branch for branch in wanted if branch not in fetched.heads)
    planner = Planner(repository, target, mirror, source, options)
    plans = [planner.plan_branch(*head) for head in sorted(fetched.heads.items())]
    changed = {plan.branch: plan.head_sha for plan in plans if not plan.is_unchanged}
    progress.start(0, "fetching changes")
    commits, _ = mirror.list_commits(source, changed) if fetched.is_filtered else ({}, "")
    with explaining_full_disk(work_folder):
        branches = tuple(
            _begin_branch(plan, work_folder / f"branch-{number}", commits.get(plan.branch, []))
            for number, plan in enumerate(plans)
        )
    progress.start(0, "fetching blobs")
    keys = planner.find_missing(plans, records)
    mirror.fetch_blobs(source, sorted({blob_sha for blob_sha, _ in keys}))
    return ClonedRepository(
        repository,
        branches,
        missing,
        work_folder,
        started_at,
        time.perf_counter() - begin,
        fetched.commits_pulled,
        options,
        target.fingerprint,
    )


def choose_branches(repository: TrackedRepository, options: SyncOptions) -> tuple[str, ...]:
    """Return the tracked branches that a sync looks at.

    Raises:
        BranchNotFoundError: One was asked for that is not tracked.
    """
    tracked = repository.tracked_branches
    if not options.branches:
        return tracked
    unknown = [branch for branch in options.branches if branch not in tracked]
    if unknown:
        raise BranchNotFoundError(
            f"{', '.join(unknown)} is not tracked of {repository.partition_key}; "
            f"{', '.join(tracked) or 'nothing'} is. Choose others with "
            f"`ingestion-pipeline track {repository.partition_key} --branch NAME`."
        )
    return options.branches


def _begin_branch(plan: BranchPlan, folder: Path, commits: Sequence[Commit]) -> ClonedBranch:
    """Make the branch's work folder, with what has to be done in it."""
    folder.mkdir(parents=True, exist_ok=True)
    branch = ClonedBranch(
        plan.branch,
        plan.head_sha,
        plan.indexed_sha,
        plan.is_unchanged,
        plan.rewrite,
        folder,
        plan.counts,
        plan.skipped,
        tuple(plan.changes.notes) if plan.changes else (),
    )
    if plan.changes is not None and not plan.is_unchanged:
        save_changes(branch.changes_path, plan.changes)
        save_commits(branch, commits)
    return branch


def sweep_work_folders(parent: Path, now: datetime) -> None:
    """Delete the work folders of runs that nobody took up again."""
    if not parent.is_dir():
        return
    oldest = (now - WORK_FOLDER_LIFETIME).timestamp()
    for folder in parent.iterdir():
        try:
            stale = folder.stat().st_mtime < oldest
        except FileNotFoundError:
            continue  # another run swept it first
        if stale:
            shutil.rmtree(folder, ignore_errors=True)

"""Step 1: bring the mirror up to date and find out which branches have to be looked at."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ingestion_pipeline.core.clock import Clock
from ingestion_pipeline.core.code_host import CodeHost
from ingestion_pipeline.core.errors import BranchNotFoundError
from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.core.points import make_point_id
from ingestion_pipeline.core.repositories import SourceId, TrackedRepository
from ingestion_pipeline.core.state import IndexedBranch, StateStore
from ingestion_pipeline.indexing.handles import ClonedBranch, ClonedRepository
from ingestion_pipeline.points.write import PENDING, branch_filter
from ingestion_pipeline.sources.git import GitMirror

# A failed run can be taken up again for this long; then its work files are swept.
WORK_FOLDER_LIFETIME = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class IndexTarget:
    """Where a sync writes and what identifies the pipeline that does.

    Args:
        state: The state store.
        store: The point store.
        collection: Collection of this content and encoder version.
        fingerprint: Of the pipeline.
    """

    state: StateStore
    store: PointStore
    collection: str
    fingerprint: str


def clone_repository(
    repository: TrackedRepository,
    host: CodeHost,
    mirror: GitMirror,
    target: IndexTarget,
    work_folder: Path,
    clock: Clock,
) -> ClonedRepository:
    """Fetch the tracked branches and compare their heads with what was indexed.

    Raises:
        BranchNotFoundError: Branches are tracked and the host has none of them.
        IngestionError: Whatever the fetch meets; earlier points stay as they were.
    """
    started_at, begin = clock.now(), time.perf_counter()
    sweep_work_folders(work_folder.parent, started_at)
    wanted = repository.tracked_branches
    try:
        fetched = mirror.fetch(host.get_fetch_source(repository.hosted), wanted)
    except BranchNotFoundError as error:
        raise BranchNotFoundError(
            f"{repository.partition_key} has no branch {', '.join(wanted)} any more. Choose others "
            f"with `ingestion-pipeline track {repository.partition_key} --branch NAME`; the points "
            "of the last sync stay until then."
        ) from error
    missing = tuple(branch for branch in wanted if branch not in fetched.heads)
    branches = tuple(
        _compare_branch(repository, target, branch, head, work_folder / f"branch-{number}")
        for number, (branch, head) in enumerate(sorted(fetched.heads.items()))
    )
    for branch in branches:
        branch.folder.mkdir(parents=True, exist_ok=True)
    return ClonedRepository(
        repository, branches, missing, work_folder, started_at, time.perf_counter() - begin
    )


def _compare_branch(
    repository: TrackedRepository,
    target: IndexTarget,
    branch: str,
    head_sha: str,
    folder: Path,
) -> ClonedBranch:
    rows = {row.branch: row for row in target.state.list_branches(repository.source)}
    row = rows.get(branch)
    own_point = _read_own_point(repository.source, target, branch)
    rewrite = _store_lost_points(repository.source, target, branch, row, own_point)
    unchanged = (
        row is not None
        and not rewrite
        and row.head_sha == head_sha
        and row.fingerprint == target.fingerprint
        and own_point.get("repo") == repository.hosted.full_name
    )
    indexed_sha = row.head_sha if row else ""
    return ClonedBranch(branch, head_sha, indexed_sha, unchanged, rewrite, folder)


def _store_lost_points(
    source: SourceId,
    target: IndexTarget,
    branch: str,
    row: IndexedBranch | None,
    own_point: Mapping[str, Any],
) -> bool:
    """Whether points that the state calls written are not in the store.

    A store or a state that was put back from a backup, or that another setting chose meanwhile, may
    hold as many points as the other and not the same: the branch's own point tells by its commit.
    """
    if row is not None and row.collection != target.collection:
        return True
    stored = target.store.count(target.collection, branch_filter(source, branch))
    if row is not None and row.head_sha:
        same_commit = own_point.get("commit_sha") == row.head_sha
        return not same_commit or stored != target.state.count_points(source, branch)
    documents = target.state.list_documents(source, branch).values()
    written = sum(point_hash != PENDING for d in documents for point_hash in d.points.values())
    return stored < written


def _read_own_point(source: SourceId, target: IndexTarget, branch: str) -> Mapping[str, Any]:
    """Return the payload of the branch's own point, empty when there is none."""
    found = target.store.retrieve(target.collection, [make_point_id(source, branch, "")])
    return found[0].payload if found else {}


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

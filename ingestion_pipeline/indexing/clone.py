"""Step 1: bring the mirror up to date and find out what has to be done."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ingestion_pipeline.core.clock import Clock
from ingestion_pipeline.core.code import SourceFile, TreeEntry
from ingestion_pipeline.core.code_host import CodeHost, FetchSource
from ingestion_pipeline.core.errors import BranchNotFoundError
from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.core.points import IndexStamp, make_point_id
from ingestion_pipeline.core.repositories import SourceId, TrackedRepository
from ingestion_pipeline.core.state import IndexedBranch, StateStore
from ingestion_pipeline.embed import ENCODER_VERSION
from ingestion_pipeline.indexing.changes import (
    BranchChanges,
    ChangeCounts,
    Selection,
    compare_tree,
    find_vanished,
    save_changes,
)
from ingestion_pipeline.indexing.handles import ClonedBranch, ClonedRepository
from ingestion_pipeline.indexing.progress import Progress
from ingestion_pipeline.indexing.record_cache import RecordCache, make_record_key
from ingestion_pipeline.indexing.rules import IndexRules, SyncOptions, check_vanished
from ingestion_pipeline.parse.grammars import get_parser_version
from ingestion_pipeline.parse.ignore import is_ignore_file, load_ignore_rules
from ingestion_pipeline.parse.selection import select_entries
from ingestion_pipeline.points.build import BranchContext
from ingestion_pipeline.points.write import PENDING, branch_filter
from ingestion_pipeline.sources.git import GitMirror

# A failed run can be taken up again for this long; then its work files are swept.
WORK_FOLDER_LIFETIME = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class IndexTarget:
    """Where a sync writes, by which rules, and what identifies the pipeline that does.

    Args:
        state: The state store.
        store: The point store.
        collection: Collection of this content and encoder version.
        fingerprint: Of the pipeline and the rules.
        rules: Which files are indexed.
    """

    state: StateStore
    store: PointStore
    collection: str
    fingerprint: str
    rules: IndexRules = field(default_factory=lambda: IndexRules(1024 * 1024))


def clone_repository(
    repository: TrackedRepository,
    host: CodeHost,
    mirror: GitMirror,
    target: IndexTarget,
    records: RecordCache,
    work_folder: Path,
    clock: Clock,
    progress: Progress,
    options: SyncOptions = SyncOptions(),  # noqa: B008 - frozen
) -> ClonedRepository:
    """Fetch the tracked branches, compare their trees with the state, and fetch missing blobs.

    Raises:
        BranchNotFoundError: Branches are tracked and the host has none of them.
        MassDeletionError: Most of a branch's files are gone.
        IngestionError: Whatever the fetch meets; earlier points stay as they were.
    """
    started_at, begin = clock.now(), time.perf_counter()
    sweep_work_folders(work_folder.parent, started_at)
    wanted = repository.tracked_branches
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
    planner = _Planner(repository, target, mirror, source, options)
    branches = tuple(
        planner.plan_branch(branch, head, work_folder / f"branch-{number}")
        for number, (branch, head) in enumerate(sorted(fetched.heads.items()))
    )
    progress.start(0, "fetching blobs")
    mirror.fetch_blobs(source, planner.list_missing_blobs(records))
    return ClonedRepository(
        repository,
        branches,
        missing,
        work_folder,
        started_at,
        time.perf_counter() - begin,
        fetched.commits_pulled,
        options,
    )


def make_context(repository: TrackedRepository, branch: str, stamp: IndexStamp) -> BranchContext:
    """Return what all points of a branch say alike."""
    return BranchContext(repository.hosted, branch, stamp, ENCODER_VERSION, get_parser_version())


class _Planner:
    """Compares branches with the index, and remembers which files they need."""

    def __init__(
        self,
        repository: TrackedRepository,
        target: IndexTarget,
        mirror: GitMirror,
        source: FetchSource,
        options: SyncOptions,
    ) -> None:
        self._repository = repository
        self._target = target
        self._mirror = mirror
        self._source = source
        self._options = options
        self._entries: list[TreeEntry] = []

    def plan_branch(self, branch: str, head_sha: str, folder: Path) -> ClonedBranch:
        """Find out what one branch needs; its work folder holds the answer."""
        repository, target = self._repository, self._target
        rows = {row.branch: row for row in target.state.list_branches(repository.source)}
        row = rows.get(branch)
        own_point = _read_own_point(repository.source, target, branch)
        rewrite = _store_lost_points(repository.source, target, branch, row, own_point)
        indexed_sha = row.head_sha if row else ""
        is_whole = (
            row is not None
            and bool(row.head_sha)
            and not rewrite
            and not self._options.full_reindex
            and own_point.get("repo") == repository.hosted.full_name
        )
        folder.mkdir(parents=True, exist_ok=True)
        cloned = ClonedBranch(branch, head_sha, indexed_sha, is_whole, rewrite, folder)
        if is_whole and row and (row.head_sha, row.fingerprint) == (head_sha, target.fingerprint):
            return cloned.with_counts(ChangeCounts(unchanged=row.file_count))
        changes = self._compare(branch, head_sha, rewrite=rewrite)
        counts = changes.count()
        if is_whole and counts.is_empty:
            return cloned.with_counts(counts, changes.skipped)
        save_changes(cloned.changes_path, changes)
        self._entries += changes.iterate_entries()
        return cloned.with_counts(counts, changes.skipped, unchanged=False)

    def list_missing_blobs(self, records: RecordCache) -> list[str]:
        """Return the blobs that have to be parsed."""
        keys = {make_record_key(entry.path, entry.blob_sha) for entry in self._entries}
        missing = keys if self._options.full_reindex else records.find_missing(keys)
        return sorted({blob_sha for blob_sha, _ in missing})

    def _compare(self, branch: str, head_sha: str, *, rewrite: bool) -> BranchChanges:
        repository, target = self._repository, self._target
        selection = select_tree(self._mirror, self._source, head_sha, target.rules)
        versions = target.state.list_document_versions(repository.source, branch)
        digest = make_document_context(repository, branch, target.rules)
        write_all = rewrite or self._options.full_reindex
        changes = compare_tree(selection, versions, digest, write_all=write_all)
        indexed = [path for path in versions if versions[path].content_hash != PENDING]
        vanished = set(find_vanished(changes, selection.listed)) & set(indexed)
        check_vanished(
            *(repository.partition_key, branch, len(vanished), len(indexed)),
            *(target.rules, self._options),
        )
        return changes


def make_document_context(repository: TrackedRepository, branch: str, rules: IndexRules) -> str:
    """Return what a document's points depend on besides its content, as the state keeps it."""
    stamp = IndexStamp("", "", datetime.min)  # noqa: DTZ901 - volatile, not part of the digest
    return f"{make_context(repository, branch, stamp).digest()}/{rules.max_file_bytes}"


def select_tree(
    mirror: GitMirror, source: FetchSource, head_sha: str, rules: IndexRules
) -> Selection:
    """List a commit, whole, and choose what is indexed of it."""
    tree = mirror.list_tree(head_sha)
    ignore_files = {entry.path: entry for entry in tree if is_ignore_file(entry.path, entry.mode)}
    mirror.fetch_blobs(source, sorted({entry.blob_sha for entry in ignore_files.values()}))
    contents = {
        file.path: file.content
        for file in mirror.read_files(ignore_files.values())
        if isinstance(file, SourceFile)
    }
    ignore = load_ignore_rules(contents, rules.ignore_patterns)
    entries, skipped = select_entries(tree, rules.max_file_bytes, ignore)
    reasons: dict[str, int] = {}
    for file in skipped:
        reasons[file.reason] = reasons.get(file.reason, 0) + 1
    return Selection(entries, reasons, [entry.path for entry in tree])


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
    versions = target.state.list_document_versions(source, branch).values()
    written = sum(version.point_count for version in versions if version.content_hash != PENDING)
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

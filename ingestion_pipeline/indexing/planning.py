"""What a sync of each branch would do; nothing here writes to state or store."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from ingestion_pipeline.core.code import SourceFile
from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.points import IndexStamp, make_point_id
from ingestion_pipeline.core.repositories import SourceId, TrackedRepository
from ingestion_pipeline.core.state import IndexedBranch
from ingestion_pipeline.indexing.changes import (
    BranchChanges,
    ChangeCounts,
    Selection,
    compare_tree,
    find_vanished,
)
from ingestion_pipeline.indexing.record_cache import RecordCache, RecordKey, make_record_key
from ingestion_pipeline.indexing.rules import IndexRules, SyncOptions, check_vanished
from ingestion_pipeline.indexing.target import IndexTarget
from ingestion_pipeline.parse.grammars import get_parser_version
from ingestion_pipeline.parse.ignore import GITIGNORE_NAME, IGNORE_FILE_PATH, load_ignore_rules
from ingestion_pipeline.parse.selection import select_entries
from ingestion_pipeline.points.build import BranchContext
from ingestion_pipeline.points.write import PENDING, branch_filter
from ingestion_pipeline.sources.git import GitMirror

_FILE_MODES = frozenset(("100644", "100755"))
# For what does not depend on the volatile facts.
_NO_STAMP = IndexStamp("", "", datetime.fromtimestamp(0, UTC))


@dataclass(frozen=True, slots=True)
class BranchPlan:
    """What one branch needs.

    Args:
        branch: Its name.
        head_sha: Commit to index.
        row: As it was last indexed, None for a new one.
        rewrite: The store does not hold what the state says; write every point.
        is_unchanged: The points of all files are as they should be.
        changes: What has to be done; None where not even the tree had to be listed.
    """

    branch: str
    head_sha: str
    row: IndexedBranch | None
    rewrite: bool
    is_unchanged: bool
    changes: BranchChanges | None = None

    @property
    def indexed_sha(self) -> str:
        """Commit that the index said before, "" when it was not whole."""
        return self.row.head_sha if self.row else ""

    @property
    def counts(self) -> ChangeCounts:
        """Files by what happened to them."""
        if self.changes is not None:
            return self.changes.count()
        return ChangeCounts(unchanged=self.row.file_count if self.row else 0)

    @property
    def skipped(self) -> dict[str, int]:
        """Reason → files left out by their names alone."""
        return self.changes.skipped if self.changes is not None else {}


@dataclass(frozen=True, slots=True)
class Planner:
    """Compares the branches of one repository with the index.

    Args:
        repository: As the host describes it now.
        target: The index.
        mirror: Holds the commits of the heads.
        source: Where ignore files are fetched from.
        options: How the sync was asked for.
    """

    repository: TrackedRepository
    target: IndexTarget
    mirror: GitMirror
    source: FetchSource
    options: SyncOptions = field(default_factory=SyncOptions)

    def plan_branch(self, branch: str, head_sha: str) -> BranchPlan:
        """Find out what one branch needs.

        Raises:
            MassDeletionError: Most of its files are gone.
            IngestionError: Whatever reading the tree meets.
        """
        repository, target = self.repository, self.target
        rows = {row.branch: row for row in target.state.list_branches(repository.source)}
        row = rows.get(branch)
        own_point = _read_own_point(repository.source, target, branch)
        rewrite = _store_lost_points(repository.source, target, branch, row, own_point)
        is_whole = (
            row is not None
            and bool(row.head_sha)
            and not rewrite
            and not self.options.full_reindex
            and self._is_own_point_current(branch, own_point)
        )
        if is_whole and row and (row.head_sha, row.fingerprint) == (head_sha, target.fingerprint):
            return BranchPlan(branch, head_sha, row, rewrite, is_unchanged=True)
        changes = self._compare(branch, head_sha, rewrite=rewrite)
        is_unchanged = is_whole and changes.count().is_empty
        return BranchPlan(branch, head_sha, row, rewrite, is_unchanged, changes)

    def find_missing(self, plans: Iterable[BranchPlan], records: RecordCache) -> set[RecordKey]:
        """Return what has to be parsed for the branches that are not unchanged."""
        keys = {
            make_record_key(path, blob_sha)
            for plan in plans
            if plan.changes is not None and not plan.is_unchanged
            for path, _, blob_sha in plan.changes.entries
        }
        return keys if self.options.full_reindex else records.find_missing(keys)

    def _is_own_point_current(self, branch: str, payload: Mapping[str, Any]) -> bool:
        """Whether it says the name and the versions of now; of a branch without files only it does.

        The documents tell by their context.
        """
        context = make_context(self.repository, branch, _NO_STAMP, self.target.rules)
        return context.stable_payload().items() <= payload.items()

    def _compare(self, branch: str, head_sha: str, *, rewrite: bool) -> BranchChanges:
        repository, target = self.repository, self.target
        selection = select_tree(self.mirror, self.source, head_sha, target.rules)
        versions = target.state.list_document_versions(repository.source, branch)
        digest = make_document_context(repository, branch, target.rules)
        write_all = rewrite or self.options.full_reindex
        changes = compare_tree(selection, versions, digest, write_all=write_all)
        indexed = {
            path
            for path, known in versions.items()
            if known.content_hash != PENDING or known.context
        }
        vanished = indexed.intersection(find_vanished(changes, selection.listed))
        check_vanished(
            *(repository.partition_key, branch, len(vanished), len(indexed)),
            *(target.rules, self.options),
        )
        return changes


def make_context(
    repository: TrackedRepository, branch: str, stamp: IndexStamp, rules: IndexRules
) -> BranchContext:
    """Return what all points of a branch say alike."""
    return BranchContext(
        repository.hosted, branch, stamp, rules.encoder_version, get_parser_version()
    )


def make_document_context(repository: TrackedRepository, branch: str, rules: IndexRules) -> str:
    """Return what a document's points depend on besides its content, as the state keeps it."""
    context = make_context(repository, branch, _NO_STAMP, rules)
    return f"{context.digest()}/{rules.max_file_bytes}"


def select_tree(
    mirror: GitMirror, source: FetchSource, head_sha: str, rules: IndexRules
) -> Selection:
    """List a commit, whole, and choose what is indexed of it."""
    tree = mirror.list_tree(head_sha)
    ignore_files = [
        entry
        for entry in tree
        if entry.mode in _FILE_MODES
        and (PurePosixPath(entry.path).name == GITIGNORE_NAME or entry.path == IGNORE_FILE_PATH)
    ]
    contents: dict[str, bytes] = {}
    if ignore_files:
        mirror.fetch_blobs(source, sorted({entry.blob_sha for entry in ignore_files}))
        read = mirror.read_files(ignore_files)
        contents = {file.path: file.content for file in read if isinstance(file, SourceFile)}
    gitignores = [path for path in contents if path != IGNORE_FILE_PATH]
    ignore = load_ignore_rules(contents.get, gitignores, rules.ignore_patterns)
    entries, skipped = select_entries(tree, rules.max_file_bytes, ignore)
    reasons: dict[str, int] = {}
    for file in skipped:
        reasons[file.reason] = reasons.get(file.reason, 0) + 1
    return Selection(entries, reasons, [entry.path for entry in tree], ignore.notes)


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

"""One branch, three ways: the tree at its indexed head, the state's documents, the store's points.

Streamed: of the points only ids are held, one set of those that the state names and one of those
that turn out to be wrong (some 150 bytes an id).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ingestion_pipeline.core.batches import batched
from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.errors import BranchNotFoundError
from ingestion_pipeline.core.points import StoredPoint, make_point_id
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.core.state import DocumentState, DocumentVersion, IndexedBranch
from ingestion_pipeline.indexing.planning import make_document_context, select_tree
from ingestion_pipeline.indexing.target import IndexTarget
from ingestion_pipeline.indexing.verify_report import MAX_EXAMPLES, BranchReport, Fault
from ingestion_pipeline.points.write import PENDING, branch_filter
from ingestion_pipeline.sources.git import GitMirror, MirrorDamagedError

_DOCUMENTS_PER_READ = 500
_OWN_POINT = "the branch's own point"


@dataclass(slots=True)
class BranchFindings:
    """Everything about one branch that repair needs.

    Args:
        report: What a person is told.
        row: The branch's row; None when there is none.
        bad_ids: Ids of the state whose points are missing or say something else.
        deletable: Orphans in the store that no sync is going to write over.
    """

    report: BranchReport
    row: IndexedBranch | None
    bad_ids: set[str] = field(default_factory=set[str])
    deletable: list[str] = field(default_factory=list[str])

    @property
    def needs_sync(self) -> bool:
        """Whether something has to be written, and not only deleted."""
        orphans = self.report.counts.get(Fault.ORPHAN_POINT, 0)
        others = sum(self.report.counts.values()) - orphans
        return others > 0 or orphans > len(self.deletable)


class TreeReader:
    """Lists the trees that were indexed; asks the host at most once.

    Args:
        repository: Whose.
        mirror: Where its objects are, or are brought.
        source: Where they are fetched from.
        target: By which rules.
    """

    def __init__(
        self,
        repository: TrackedRepository,
        mirror: GitMirror,
        source: FetchSource,
        target: IndexTarget,
    ) -> None:
        self._repository = repository
        self._mirror = mirror
        self._source = source
        self._rules = target.rules
        self._is_fetched = False

    def list_blobs(self, head_sha: str) -> Mapping[str, str] | None:
        """Return path → blob sha of what is indexed of a commit; None when nobody has it any more.

        Raises:
            IngestionError: Whatever a fetch meets.
        """
        if not self._has(head_sha) and not self._is_fetched:
            self._is_fetched = True
            try:
                self._mirror.fetch(
                    self._source, self._repository.tracked_branches, count_commits=False
                )
            except BranchNotFoundError:
                return None
        if not self._has(head_sha):
            return None
        selection = select_tree(self._mirror, self._source, head_sha, self._rules)
        return {entry.path: entry.blob_sha for entry in selection.entries}

    def _has(self, sha: str) -> bool:
        # Listing a commit that is not there would mark the whole mirror as damaged.
        try:
            return sha in self._mirror.read_sizes([sha])
        except MirrorDamagedError:
            return False


class BranchInspection:
    """Compares one tracked branch.

    Args:
        repository: Whose.
        branch: Which.
        trees: Lists the tree.
        target: State and store.
    """

    def __init__(
        self, repository: TrackedRepository, branch: str, trees: TreeReader, target: IndexTarget
    ) -> None:
        self._repository = repository
        self._source = repository.source
        self._branch = branch
        self._trees = trees
        self._target = target
        rows = {row.branch: row for row in target.state.list_branches(self._source)}
        self.findings = BranchFindings(BranchReport(branch), rows.get(branch))
        self._report = self.findings.report
        self._own_id = make_point_id(self._source, branch, "")
        self._versions: Mapping[str, DocumentVersion] = {}
        self._blobs: Mapping[str, str] | None = None

    def run(self) -> BranchFindings:
        """Compare tree, state and store."""
        row, state = self.findings.row, self._target.state
        self._versions = state.list_document_versions(self._source, self._branch)
        if row is None and not self._versions:
            return self._look_at_unknown()
        for path, version in self._versions.items():
            if version.content_hash == PENDING:
                self._report.add(Fault.PENDING, path)
        if row is None or not row.head_sha:
            self._report.add(Fault.UNFINISHED)
        else:
            self._compare_tree(row.head_sha)
        if row is not None and row.collection != self._target.collection:
            count = max(row.point_count, 1)
            self._report.add(Fault.OTHER_COLLECTION, row.collection, count)
        self._compare_points(row.collection if row else self._target.collection)
        return self.findings

    def _look_at_unknown(self) -> BranchFindings:
        """A branch that was never indexed has no points; a sync writes over those it may have."""
        where = branch_filter(self._source, self._branch)
        orphans = self._target.store.count(self._target.collection, where)
        self._report.checked = orphans
        if orphans:
            self._report.add(Fault.ORPHAN_POINT, count=orphans)
        self._report.notes.append("it was never indexed; the next sync does that")
        return self.findings

    def _compare_tree(self, head_sha: str) -> None:
        self._blobs = self._trees.list_blobs(head_sha)
        if self._blobs is None:
            self._report.notes.append(
                f"its files were not compared with the tree: {head_sha[:12]} is not to be had any "
                "more. A sync compares them with the present one"
            )
            return
        context = make_document_context(self._repository, self._branch, self._target.rules)
        for path, blob_sha in self._blobs.items():
            known = self._versions.get(path)
            if known is None:
                self._report.add(Fault.UNKNOWN_FILE, path)
            elif known.content_hash == PENDING:
                continue
            elif known.content_hash != blob_sha:
                self._report.add(Fault.OTHER_CONTENT, path)
            elif known.context != context:
                self._report.add(Fault.OTHER_CONTEXT, path)
        for path in self._versions:
            if path not in self._blobs:
                self._report.add(Fault.GONE_FILE, path)

    def _compare_points(self, collection: str) -> None:
        expected, announced = self._read_ids()
        where = branch_filter(self._source, self._branch)
        for point in self._target.store.scroll(collection, where):
            self._report.checked += 1
            if point.id in expected:
                expected.discard(point.id)
                if complaint := self._find_complaint(point):
                    self.findings.bad_ids.add(point.id)
                    self._report.add(Fault.WRONG_POINT, complaint)
            elif point.id not in announced:
                self._report.add(Fault.ORPHAN_POINT, _name_point(point))
                if self._is_deletable(point.payload.get("path")):
                    self.findings.deletable.append(point.id)
        if expected:
            self._report_missing(expected)

    def _read_ids(self) -> tuple[set[str], set[str]]:
        """Return the ids that must be in the store, and those that may be."""
        expected, announced = set[str](), set[str]()
        for document in self._read_documents():
            for point_id, said in document.points.items():
                (announced if said == PENDING else expected).add(point_id)
        if self.findings.row is not None:
            # Without a head nobody knows whether it was written yet.
            (expected if self.findings.row.head_sha else announced).add(self._own_id)
        return expected, announced

    def _read_documents(self) -> Iterator[DocumentState]:
        state = self._target.state
        for some in batched(self._versions, _DOCUMENTS_PER_READ):
            yield from state.read_documents(self._source, self._branch, some).values()

    def list_bad_documents(self) -> Iterator[DocumentState]:
        """Yield the documents with points that are missing or say something else."""
        bad = self.findings.bad_ids
        if bad:
            yield from (doc for doc in self._read_documents() if not bad.isdisjoint(doc.points))

    def _find_complaint(self, point: StoredPoint) -> str:
        """Return what a point that the state names says wrongly, "" for nothing."""
        payload, row = point.payload, self.findings.row
        if point.id == self._own_id:
            said = payload.get("commit_sha")
            right = row is None or not row.head_sha or said == row.head_sha
            return "" if right else f"{_OWN_POINT} ({said})"
        path, symbol = payload.get("path"), payload.get("symbol")
        known = self._versions.get(path) if isinstance(path, str) else None
        # The id is made of the path, so a point under another path cannot have it.
        right = (
            known is not None
            and point.id == make_point_id(self._source, self._branch, str(path), str(symbol))
            and known.content_hash in (PENDING, payload.get("blob_sha"))
        )
        return "" if right else _name_point(point)

    def _is_deletable(self, path: Any) -> bool:
        """Whether no sync writes over an orphan: deleting it first would make its file vanish."""
        if not isinstance(path, str) or path in self._versions:
            return True
        return self._blobs is not None and path not in self._blobs

    def _report_missing(self, missing: set[str]) -> None:
        is_own = self._own_id in missing
        self._report.add(Fault.MISSING_POINT, _OWN_POINT if is_own else "", len(missing))
        shown = self._report.examples[Fault.MISSING_POINT]
        # Only the state's documents know whose ids these are.
        for document in self._read_documents() if len(missing) > is_own else ():
            count = sum(point_id in missing for point_id in document.points)
            if count:
                shown.append(f"{document.document_id} ({count} of {len(document.points)})")
            if len(shown) == MAX_EXAMPLES:
                break
        self.findings.bad_ids |= missing


def _name_point(point: StoredPoint) -> str:
    path, symbol = point.payload.get("path"), point.payload.get("symbol")
    return f"{path}::{symbol}" if symbol else str(path or point.id)

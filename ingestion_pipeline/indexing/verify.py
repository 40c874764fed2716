"""Whether the tree, the state and the store agree, in both directions; and putting it right.

Repair writes no point. It deletes what nobody will ever write over, marks in the state what has to
be written, and takes the head from the branch; then an ordinary sync writes exactly that.

A crash at any place of a repair leaves nothing that was not wrong before, and the next repair ends
it. Only points that the state does not name are deleted; a branch that nobody tracks loses its
points before its rows. The head goes before anything is marked, so that any sync compares the whole
tree again; the marks of a branch are one transaction, so that until then its missing points show in
their number, and the sync writes everything again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ingestion_pipeline.core.batches import batched
from ingestion_pipeline.core.code_host import FetchSource
from ingestion_pipeline.core.points import PointFilter, make_point_id
from ingestion_pipeline.core.repositories import TrackedRepository
from ingestion_pipeline.core.state import DocumentState
from ingestion_pipeline.indexing.target import IndexTarget
from ingestion_pipeline.indexing.verify_branch import (
    BranchFindings,
    BranchInspection,
    TreeReader,
)
from ingestion_pipeline.indexing.verify_report import BranchReport, Fault, VerifyReport
from ingestion_pipeline.points.write import BATCH_POINTS, PENDING, branch_filter, delete_retiring
from ingestion_pipeline.sources.git import GitMirror

_NO_BRANCH = "(no branch)"


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a repair found and did.

    Args:
        found: What was wrong.
        points_deleted: Points that are no longer in the store.
        documents_marked: Documents that the next sync writes again.
        needs_sync: Whether a sync has to write something now.
    """

    found: VerifyReport
    points_deleted: int
    documents_marked: int
    needs_sync: bool


def verify_repository(
    repository: TrackedRepository, mirror: GitMirror, source: FetchSource, target: IndexTarget
) -> VerifyReport:
    """Compare every branch of a repository; changes nothing.

    Args:
        repository: As the state has it.
        mirror: Its objects; fetched anew where the indexed commit is not there.
        source: Where they are fetched from.
        target: State, store and rules.

    Raises:
        IngestionError: Whatever a fetch or the store meets.
    """
    trees = TreeReader(repository, mirror, source, target)
    reports = [
        BranchInspection(repository, branch, trees, target).run().report
        for branch in sorted(repository.tracked_branches)
    ]
    reports += [left.report for left in _find_leftovers(repository, target)]
    return VerifyReport(repository.partition_key, reports)


def verify_counts(repository: TrackedRepository, target: IndexTarget) -> VerifyReport:
    """Compare how many points each branch has, and the commits of the branches' own points.

    Costs the same for any number of points. It does not see one point in the place of another.
    """
    state, store = target.state, target.store
    rows = {row.branch: row for row in state.list_branches(repository.source)}
    reports: list[BranchReport] = []
    for branch in sorted(repository.tracked_branches):
        report = BranchReport(branch)
        where = branch_filter(repository.source, branch)
        report.checked = store.count(target.collection, where)
        difference = report.checked - state.count_points(repository.source, branch)
        if difference:
            fault = Fault.ORPHAN_POINT if difference > 0 else Fault.MISSING_POINT
            report.add(fault, count=abs(difference))
        row = rows.get(branch)
        own = store.retrieve(target.collection, [make_point_id(repository.source, branch, "")])
        if row and own and own[0].payload.get("commit_sha") != row.head_sha:
            report.add(Fault.WRONG_POINT, "the branch's own point")
        reports.append(report)
    reports += [left.report for left in _find_leftovers(repository, target)]
    return VerifyReport(repository.partition_key, reports)


def repair_repository(
    repository: TrackedRepository, mirror: GitMirror, source: FetchSource, target: IndexTarget
) -> RepairReport:
    """Put right what a sync would not, and mark for the next sync what it has to write.

    The caller holds the repository's lock, and syncs the partition when ``needs_sync`` says so. Of
    documents with bad points the states are held together: some 5 kB each.

    Raises:
        IngestionError: Whatever a fetch, the store or the state meets; it can be run again.
    """
    trees = TreeReader(repository, mirror, source, target)
    reports: list[BranchReport] = []
    deleted = marked = 0
    needs_sync = False
    for branch in sorted(repository.tracked_branches):
        inspection = BranchInspection(repository, branch, trees, target)
        findings = inspection.run()
        reports.append(findings.report)
        needs_sync |= findings.needs_sync
        # What is in another collection is written anew, whole, by any sync.
        if Fault.OTHER_COLLECTION not in findings.report.counts:
            deleted += _delete(target, findings.deletable)
            marked += _mark_branch(
                repository, findings, list(inspection.list_bad_documents()), target
            )
    for left in _find_leftovers(repository, target):
        reports.append(left.report)
        deleted += left.remove(repository, target)
    found = VerifyReport(repository.partition_key, reports)
    return RepairReport(found, deleted, marked, needs_sync)


def _mark_branch(
    repository: TrackedRepository,
    findings: BranchFindings,
    documents: list[DocumentState],
    target: IndexTarget,
) -> int:
    """Make the next sync look at a branch, and write the points that are bad; return documents."""
    row = findings.row
    if row is None or not findings.needs_sync:
        return 0
    if row.head_sha:
        target.state.commit_branch(repository.source, replace(row, head_sha=""))
    bad = findings.bad_ids
    # The other points of the document keep hash and vector, so that they are left alone.
    pending = [
        replace(
            document,
            content_hash=PENDING,
            points={
                point_id: PENDING if point_id in bad else said
                for point_id, said in document.points.items()
            },
        )
        for document in documents
    ]
    if pending:
        target.state.commit_documents(repository.source, row.branch, pending, [])
    return len(pending)


@dataclass(frozen=True, slots=True)
class _Leftover:
    """A branch that nobody tracks, with rows in the state, points in the store, or both.

    Args:
        report: What a person is told.
        collections: Collections with points that the state's row names.
        ids: Points of a branch that the state does not know.
    """

    report: BranchReport
    collections: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    def remove(self, repository: TrackedRepository, target: IndexTarget) -> int:
        """Delete its points, then its rows; return how many points there were."""
        if self.ids:
            return _delete(target, self.ids)
        present = set(target.store.list_collections())
        where = branch_filter(repository.source, self.report.branch)
        for collection in self.collections:
            if collection in present:
                target.store.delete_matching(collection, where)
        target.state.remove_branch(repository.source, self.report.branch)
        return self.report.checked


def _find_leftovers(repository: TrackedRepository, target: IndexTarget) -> list[_Leftover]:
    state, store, source = target.state, target.store, repository.source
    tracked = set(repository.tracked_branches)
    elsewhere = {row.branch: row.collection for row in state.list_branches(source)}
    known = tracked.union(state.list_branch_names(source))
    found: list[_Leftover] = []
    for branch in sorted(known - tracked):
        present = {target.collection, target.retiring, elsewhere.get(branch, "")} - {""}
        collections = tuple(sorted(present))
        where = branch_filter(source, branch)
        count = sum(store.count(collection, where) for collection in collections)
        report = BranchReport(branch, checked=count)
        report.add(Fault.UNTRACKED_BRANCH, count=max(count, 1))
        found.append(_Leftover(report, collections))
    for branch, ids in _find_strangers(repository, known, target).items():
        report = BranchReport(branch, checked=len(ids))
        report.add(Fault.UNTRACKED_BRANCH, count=len(ids))
        found.append(_Leftover(report, ids=tuple(ids)))
    return found


def _find_strangers(
    repository: TrackedRepository, known: set[str], target: IndexTarget
) -> Mapping[str, list[str]]:
    """Return branch → ids of points of branches that the state does not know.

    Only in the collection of these settings: another one may be another deployment's.
    """
    store, source = target.store, repository.source
    everything = PointFilter({"source": str(source)})
    counted = sum(store.count(target.collection, branch_filter(source, name)) for name in known)
    if store.count(target.collection, everything) <= counted:
        return {}
    strangers: dict[str, list[str]] = {}
    for point in store.scroll(target.collection, everything):
        branch = point.payload.get("branch")
        if not isinstance(branch, str) or branch not in known:
            strangers.setdefault(str(branch or _NO_BRANCH), []).append(point.id)
    return strangers


def _delete(target: IndexTarget, ids: list[str] | tuple[str, ...]) -> int:
    for some in batched(ids, BATCH_POINTS):
        target.store.delete(target.collection, some)
        delete_retiring(target.store, target.retiring, some)
    return len(ids)

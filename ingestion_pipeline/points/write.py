"""Writing a branch's points so that a crash at any place leaves something the next run mends.

The order, per batch of documents: announce in the state every id that will be written or deleted →
upsert the new points and wait → delete the points that went → commit the state. An announced id has
no hash: it may or may not be in the store, with the old content or the new. So points written just
before a crash are found again even when their file is gone by the next run, and points deleted just
before a crash are written again even when the tree goes back to having them. A reader never sees a
file vanish in between.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.core.batches import batched
from ingestion_pipeline.core.errors import StoreMismatchError
from ingestion_pipeline.core.point_store import PointStore
from ingestion_pipeline.core.points import Point, PointFilter, make_point_id
from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.core.state import DocumentState, IndexedBranch, StateStore
from ingestion_pipeline.points.build import DocumentPoints, MovedPoints
from ingestion_pipeline.points.drift import find_kept, quantize, unpack

_T = TypeVar("_T")

# Hash of a point that was announced: nobody knows what the store holds of it.
PENDING = ""
BATCH_POINTS = 1000
_DOCUMENTS_PER_READ = 500


@dataclass(slots=True)
class WriteCounts:
    """What a sync did to the store.

    Args:
        added: Points that were not there.
        changed: Points that were rewritten.
        deleted: Points that went.
        unchanged: Points left alone.
    """

    added: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0


@dataclass(slots=True)
class _Batch:
    upserts: list[Point] = field(default_factory=list[Point])
    gone: list[str] = field(default_factory=list[str])
    announced: list[DocumentState] = field(default_factory=list[DocumentState])
    final: list[DocumentState] = field(default_factory=list[DocumentState])
    removed: list[str] = field(default_factory=list[str])

    @property
    def size(self) -> int:
        return len(self.upserts) + len(self.gone) + len(self.final) + len(self.removed)


@dataclass(frozen=True, slots=True)
class BranchWriter:
    """Writes one branch of one source.

    Args:
        store: Where points go.
        state: What remembers them.
        collection: Collection of this content and encoder version.
        source: Whose points.
        branch: Which branch.
        retiring: Collection that still answers while this one is filled, "" for none; what is
            deleted here is deleted there, too.
        report_progress: Called after every batch with the number of documents done, and the last.
    """

    store: PointStore
    state: StateStore
    collection: str
    source: SourceId
    branch: str
    retiring: str = ""
    report_progress: Callable[[int, str], None] = lambda _done, _last: None

    def forget_hashes(self) -> None:
        """Announce every document: the store does not hold what the state says.

        Everything is written again then, also after a crash in the middle of it.
        """
        known = self.state.list_document_versions(self.source, self.branch)
        for some in batched(known, BATCH_POINTS):
            pending = [_announce(document) for document in self._read(some).values()]
            self.state.commit_documents(self.source, self.branch, pending, [])

    def write_documents(
        self, documents: Iterable[DocumentPoints | MovedPoints], removed: Sequence[str] = ()
    ) -> WriteCounts:
        """Make the store hold exactly these points for these documents.

        Args:
            documents: Those that are new or may have changed; one without points keeps its row and
                loses the points it had. Of one whose points moved, the state knows the vectors.
            removed: Documents that are gone.
        """
        counts, done, batch = WriteCounts(), 0, _Batch()
        for some in batched(documents, _DOCUMENTS_PER_READ):
            known = self._read([document.document_id for document in some])
            for document in some:
                if isinstance(document, MovedPoints):
                    _plan_moved(document, known[document.document_id], batch, counts)
                else:
                    _plan_document(document, known.get(document.document_id), batch, counts)
                done += 1
                if batch.size >= BATCH_POINTS:
                    self._write(batch)
                    self.report_progress(done, document.document_id)
                    batch = _Batch()
        for some in batched(removed, _DOCUMENTS_PER_READ):
            for document in self._read(some).values():
                _plan_removal(document, batch, counts)
                if batch.size >= BATCH_POINTS:
                    self._write(batch)
                    batch = _Batch()
        self._write(batch)
        return counts

    def _read(self, document_ids: Collection[str]) -> dict[str, DocumentState]:
        return self.state.read_documents(self.source, self.branch, document_ids)

    def finish(self, repository_point: Point, indexed: IndexedBranch) -> None:
        """Write the branch's own point and then its row: the last two writes of a sync."""
        self.store.upsert(self.collection, [repository_point])
        self.state.commit_branch(self.source, indexed)

    def _write(self, batch: _Batch) -> None:
        if batch.announced:
            self.state.commit_documents(self.source, self.branch, batch.announced, [])
        for points in _split(batch.upserts):
            self.store.upsert(self.collection, points)
        for ids in _split(batch.gone):
            self.store.delete(self.collection, ids)
            delete_retiring(self.store, self.retiring, ids)
        if batch.final or batch.removed:
            self.state.commit_documents(self.source, self.branch, batch.final, batch.removed)


def delete_retiring(store: PointStore, retiring: str, ids: Sequence[str]) -> None:
    """Delete points from a collection that another run may drop at any time; "" for none."""
    if not retiring or not ids:
        return
    try:
        store.delete(retiring, ids)
    except StoreMismatchError:
        if retiring in store.list_collections():
            raise


def sweep_retiring(
    store: PointStore, state: StateStore, retiring: str, source: SourceId, branch: str
) -> None:
    """Delete points of a branch that its state does not name from the collection that answers.

    They are of files that went while the branch's state was lost, or as it moved.
    """
    if not retiring:
        return
    known = {make_point_id(source, branch, "")}
    for document in state.list_documents(source, branch).values():
        known.update(document.points)
    stored = store.scroll(retiring, branch_filter(source, branch))
    gone = [point.id for point in stored if point.id not in known]
    for ids in _split(gone):
        delete_retiring(store, retiring, ids)


def sweep_unknown_branches(
    store: PointStore, state: StateStore, retiring: str, source: SourceId
) -> None:
    """Delete points of branches that the state does not know from the collection that answers.

    There are none unless the state was lost, so they are listed only when the counts differ.
    """
    if not retiring:
        return
    everything = PointFilter({"source": str(source)})
    known = set(state.list_branch_names(source))
    counted = sum(store.count(retiring, branch_filter(source, branch)) for branch in known)
    if store.count(retiring, everything) <= counted:
        return
    stored = store.scroll(retiring, everything)
    gone = [point.id for point in stored if point.payload.get("branch") not in known]
    for ids in _split(gone):
        delete_retiring(store, retiring, ids)


def remove_branch_points(
    store: PointStore, state: StateStore, collection: str, source: SourceId, branch: str
) -> int:
    """Delete every point of a branch, then its state; return how many points there were."""
    where = branch_filter(source, branch)
    count = store.count(collection, where)
    store.delete_matching(collection, where)
    state.remove_branch(source, branch)
    return count


def sweep_orphans(store: PointStore, state: StateStore, collection: str, source: SourceId) -> int:
    """Delete points of a source that its state does not name; return how many.

    There are none unless the state was lost or put back from a backup, so the ids are listed only
    when the counts differ.
    """
    where = PointFilter({"source": str(source)})
    if store.count(collection, where) <= state.count_points(source):
        return 0
    known = {make_point_id(source, row.branch, "") for row in state.list_branches(source)}
    for branch in state.list_branch_names(source):
        for document in state.list_documents(source, branch).values():
            known.update(document.points)
    orphans = [point.id for point in store.scroll(collection, where) if point.id not in known]
    for ids in _split(orphans):
        store.delete(collection, ids)
    return len(orphans)


def branch_filter(source: SourceId, branch: str) -> PointFilter:
    """Return the filter for all points of one branch."""
    return PointFilter({"source": str(source), "branch": branch})


def _plan_document(
    document: DocumentPoints,
    known: DocumentState | None,
    batch: _Batch,
    counts: WriteCounts,
) -> None:
    before: Mapping[str, str] = known.points if known else {}
    vectors = _compare_vectors(document, known)
    changed = [
        point
        for point, kept in zip(document.points, vectors.kept, strict=True)
        if not kept or before.get(point.id) != document.hashes[point.id]
    ]
    gone = [point_id for point_id in before if point_id not in document.hashes]
    fresh = {p.id for p in changed if p.id not in before}
    counts.added += len(fresh)
    counts.changed += len(changed) - len(fresh)
    counts.unchanged += len(document.points) - len(changed)
    counts.deleted += len(gone)
    written = {point.id for point in changed}
    final = DocumentState(
        document.document_id,
        document.content_hash,
        dict(document.hashes),
        document.error,
        document.context,
        vectors.merge([point.id in written for point in document.points]),
    )
    if known == final and not changed:
        return
    if changed or gone:
        # Also of a point that is rewritten or deleted the old hash is no longer true: the tree may
        # go back to it before the next run.
        touched = dict.fromkeys([*(p.id for p in changed), *gone], PENDING)
        pending = {**before, **touched}
        context = known.context if known else ""
        announced = DocumentState(document.document_id, PENDING, pending, context=context)
        batch.announced.append(announced)
    batch.upserts.extend(changed)
    batch.gone.extend(gone)
    batch.final.append(final)


def _plan_moved(
    document: MovedPoints, known: DocumentState, batch: _Batch, counts: WriteCounts
) -> None:
    dense = np.array([point.dense for point in document.points], np.float32)
    rows = {point_id: row for row, point_id in enumerate(known.points)}
    stored = unpack(known.vectors, len(rows), dense.shape[1])
    if stored is None:
        raise AssertionError(f"what the store holds of {document.document_id} is not known")
    vectors = stored.copy()
    vectors[[rows[point.id] for point in document.points]] = quantize(dense)
    counts.changed += len(dense)
    counts.unchanged += len(rows) - len(dense)
    pending = {**known.points, **{point.id: PENDING for point in document.points}}
    batch.announced.append(replace(known, content_hash=PENDING, points=pending, vectors=b""))
    batch.upserts.extend(document.points)
    batch.final.append(replace(known, vectors=vectors.tobytes()))


@dataclass(frozen=True, slots=True)
class _Vectors:
    """A document's vectors beside those that the store holds.

    Args:
        kept: (P,) bool, which points' vectors may stay as they are.
        old: (P, D) int8, what the store holds; meaningless where not kept.
        new: (P, D) int8, what would be written.
    """

    kept: npt.NDArray[np.bool_]
    old: npt.NDArray[np.int8]
    new: npt.NDArray[np.int8]

    def merge(self, written: Sequence[bool]) -> bytes:
        """Return what the store holds once those points are written."""
        return np.where(np.array(written, bool)[:, None], self.new, self.old).tobytes()


def _compare_vectors(document: DocumentPoints, known: DocumentState | None) -> _Vectors:
    if not document.points:
        nothing = np.zeros((0, 0), np.int8)
        return _Vectors(np.zeros(0, bool), nothing, nothing)
    vectors = np.array([point.dense for point in document.points], np.float32)
    new = quantize(vectors)
    stored = unpack(known.vectors, len(known.points), vectors.shape[1]) if known else None
    if known is None or stored is None:
        return _Vectors(np.zeros(len(vectors), bool), new, new)
    rows = {point_id: row for row, point_id in enumerate(known.points)}
    places = np.array([rows.get(point.id, -1) for point in document.points])
    old = stored[places]
    return _Vectors((places >= 0) & find_kept(old, vectors), old, new)


def _plan_removal(known: DocumentState, batch: _Batch, counts: WriteCounts) -> None:
    batch.announced.append(_announce(known))
    batch.gone.extend(known.points)
    batch.removed.append(known.document_id)
    counts.deleted += len(known.points)


def _announce(document: DocumentState) -> DocumentState:
    # The context stays: it tells a document that was indexed once from one that never was.
    points = dict.fromkeys(document.points, PENDING)
    return DocumentState(document.document_id, PENDING, points, context=document.context)


def _split(items: list[_T]) -> Iterator[list[_T]]:
    for start in range(0, len(items), BATCH_POINTS):
        yield items[start : start + BATCH_POINTS]

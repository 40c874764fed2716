"""Step 4: make the point store say what the heads say, then forget the run's files."""

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.artifacts.records_file import RecordsReader
from ingestion_pipeline.core.batches import batched
from ingestion_pipeline.core.clock import Clock
from ingestion_pipeline.core.errors import PermanentError
from ingestion_pipeline.core.points import IndexStamp, Point, make_point_id
from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.core.state import IndexedBranch
from ingestion_pipeline.embed import ENCODER_DIM
from ingestion_pipeline.embed.sparse import make_query_sparse
from ingestion_pipeline.indexing.changes import BranchChanges, find_overtaken, load_changes
from ingestion_pipeline.indexing.documents import DocumentBuilder
from ingestion_pipeline.indexing.graph_vectors import load_graph_vectors
from ingestion_pipeline.indexing.handles import (
    ClonedBranch,
    ClonedRepository,
    EmbeddedRepository,
    SyncResult,
)
from ingestion_pipeline.indexing.layout import VectorLayout, load_layout
from ingestion_pipeline.indexing.moved import load_moved
from ingestion_pipeline.indexing.parse import read_skipped
from ingestion_pipeline.indexing.planning import make_context, make_document_context
from ingestion_pipeline.indexing.progress import Progress
from ingestion_pipeline.indexing.relations import load_relations
from ingestion_pipeline.indexing.target import IndexTarget
from ingestion_pipeline.points.build import (
    BranchContext,
    build_repository_point,
)
from ingestion_pipeline.points.write import (
    BranchWriter,
    WriteCounts,
    branch_filter,
    remove_branch_points,
    sweep_orphans,
    sweep_retiring,
    sweep_unknown_branches,
)

_DOCUMENTS_PER_READ = 500


def upsert_points(
    embedded: EmbeddedRepository,
    target: IndexTarget,
    clock: Clock,
    progress: Progress,
) -> SyncResult:
    """Write what changed, delete what went, commit, and remove the work folder.

    Args:
        embedded: What the embed step made.
        target: Where to write; its collection exists.
        clock: Gives the time stamped on the points.
        progress: Told of every file.

    Raises:
        PermanentError: This run was taken up again from here, and meanwhile another one wrote, or
            the settings or the version changed.
    """
    begin, indexed_at = time.perf_counter(), clock.now()
    cloned = embedded.parsed.cloned
    if cloned.fingerprint != target.fingerprint:
        raise PermanentError(
            "The settings or the version of the pipeline have changed since this run began. Launch "
            "the partition again from the first op."
        )
    counts = WriteCounts()

    def make_step(branch: ClonedBranch) -> _UpsertStep:
        stamp = IndexStamp(branch.head_sha, cloned.pushed_at, indexed_at)
        context = make_context(cloned.repository, branch.branch, stamp, target.rules)
        digest = make_document_context(cloned.repository, branch.branch, target.rules)
        return _UpsertStep(branch, context, target, progress, counts, digest)

    for branch in progress.share_among(cloned.changed_branches):
        make_step(branch).write(
            passes_messages=embedded.passes_messages,
            full_reindex=cloned.options.full_reindex,
        )
    for branch in cloned.branches:
        if branch.unchanged:
            make_step(branch).restamp()
    _remove_untracked_branches(cloned, target, counts)
    if cloned.branches:
        counts.deleted += sweep_orphans(
            target.store, target.state, target.collection, cloned.repository.source
        )
        sweep_unknown_branches(
            target.store, target.state, target.retiring, cloned.repository.source
        )
    shutil.rmtree(cloned.work_folder, ignore_errors=True)
    rows = target.state.list_branches(cloned.repository.source)
    points = target.state.count_points(cloned.repository.source)
    return SyncResult(
        embedded,
        {branch.branch: branch.head_sha for branch in cloned.branches},
        sum(row.file_count for row in rows),
        sum(row.symbol_count for row in rows),
        points,
        counts.added,
        counts.changed,
        counts.deleted,
        points - counts.added - counts.changed,
        indexed_at,
        time.perf_counter() - begin,
    )


class _UpsertStep:
    """Writes one branch."""

    def __init__(
        self,
        branch: ClonedBranch,
        context: BranchContext,
        target: IndexTarget,
        progress: Progress,
        counts: WriteCounts,
        digest: str,
    ) -> None:
        self._branch = branch
        self._context = context
        self._target = target
        self._progress = progress
        self._counts = counts
        self._source = context.repository.source
        self._digest = digest
        self._writer = BranchWriter(
            *(target.store, target.state, target.collection, self._source, branch.branch),
            target.retiring,
        )

    def restamp(self) -> None:
        """Write only the branch's own point with the new commit and times."""
        branch, context, target = self._branch, self._context, self._target
        row = _find_row(target, self._source, branch)
        point_id = make_point_id(self._source, branch.branch, "")
        found = target.store.retrieve(target.collection, [point_id], with_vectors=True)
        if row is None or not found:
            raise PermanentError(
                f"The points of {branch.branch} went while this run was at work. Launch the "
                "partition again from the first op."
            )
        [stored] = found
        payload = {**stored.payload, **context.volatile_payload()}
        if stored.dense is None or stored.sparse is None:
            raise AssertionError("the store returned a point without the vectors asked for")
        stamp = context.stamp
        now = replace(
            row,
            head_sha=branch.head_sha,
            pushed_at=stamp.pushed_at,
            fingerprint=target.fingerprint,
            indexed_at=stamp.indexed_at,
        )
        self._writer.finish(Point(point_id, stored.dense, stored.sparse, payload), now)
        self._counts.changed += 1

    def write(self, *, passes_messages: bool, full_reindex: bool) -> None:
        """Write the points of changed files, delete what went, and commit the branch."""
        branch = self._branch
        changes = load_changes(branch.changes_path)
        self._check_not_overtaken(changes, passes_messages=passes_messages)
        if branch.rewrite:
            self._writer.forget_hashes()  # while the head still shows that the two do not agree
        layout, relations = load_layout(branch.layout_path), load_relations(branch)
        vectors = load_graph_vectors(branch)
        moved = self._list_moved() if passes_messages else None
        is_new = _mark_unfinished(self._target, branch, self._context)
        # Without a head the state may have been lost, and a run before this one killed.
        is_whole = branch.rewrite or not branch.indexed_sha
        if full_reindex and not branch.rewrite:
            self._writer.forget_hashes()  # once the head shows that the branch is not finished
        with RecordsReader(branch.records_path) as reader:
            wanted = set(changes.to_write)
            builder = DocumentBuilder(reader, layout, vectors, self._context, self._digest)
            rows: dict[str, list[int]] = {}
            if passes_messages:
                drifted = builder.find_drifted(self._read_stored(moved), wanted)
                rows = {path: found for path, found in drifted.items() if found is not None}
                wanted |= drifted.keys() - rows.keys()
            self._progress.start(len(wanted) + len(rows), f"writing {branch.branch}")
            documents = chain(
                builder.build(wanted, self._progress),
                builder.build_moved(rows, self._progress),
                builder.build_skipped(read_skipped(branch), wanted, self._progress),
            )
            part = self._writer.write_documents(documents, changes.deleted)
        _add_counts(self._counts, part)
        if is_whole:
            target = self._target
            sweep_retiring(target.store, target.state, target.retiring, self._source, branch.branch)
        self._target.state.set_relations(self._source, branch.branch, relations)
        of_files = vectors.take(slice(layout.file_count))
        point = self._make_repository_point(of_files)
        self._writer.finish(point, self._make_row(layout))
        self._counts.added += is_new
        self._counts.changed += not is_new

    def _list_moved(self) -> Sequence[str] | None:
        """Return the files whose vectors may not be near those stored, None for all."""
        moved = load_moved(self._branch)
        is_since = moved.is_since(_find_row(self._target, self._source, self._branch))
        return moved.paths if is_since else None

    def _read_stored(self, paths: Sequence[str] | None) -> Iterator[tuple[str, bytes]]:
        """Yield path and ``DocumentState.vectors`` of files, of all where no paths are given."""
        state, branch = self._target.state, self._branch.branch
        if paths is None:
            yield from state.iterate_document_vectors(self._source, branch)
            return
        for some in batched(paths, _DOCUMENTS_PER_READ):
            for path, document in state.read_documents(self._source, branch, some).items():
                yield path, document.vectors

    def _check_not_overtaken(self, changes: BranchChanges, *, passes_messages: bool) -> None:
        """Pass unless another run has written documents since this one compared them with a tree.

        Raises:
            PermanentError: One has, though it may not have finished.
        """
        row = _find_row(self._target, self._source, self._branch)
        if row is not None and row.head_sha == self._branch.indexed_sha and row.head_sha:
            return  # whoever writes blanks the head first
        versions = self._target.state.list_document_versions(self._source, self._branch.branch)
        path = find_overtaken(changes, versions, self._digest, also_pending=passes_messages)
        if path is not None:
            raise PermanentError(
                f"Another run has written {path} of {self._branch.branch} since this one began. "
                "Launch the partition again from the first op."
            )

    def _make_repository_point(self, file_vectors: npt.NDArray[np.float32]) -> Point:
        if not len(file_vectors):
            # Nothing to be the mean of: a direction that is like nothing in particular.
            file_vectors = np.full((1, ENCODER_DIM), ENCODER_DIM**-0.5, dtype=np.float32)
        words = make_query_sparse(self._context.repository.full_name)
        return build_repository_point(file_vectors, words, self._context)

    def _make_row(self, layout: VectorLayout) -> IndexedBranch:
        stamp = self._context.stamp
        files, symbols = layout.file_count, layout.symbol_count
        return IndexedBranch(
            branch=self._context.branch,
            head_sha=stamp.commit_sha,
            pushed_at=stamp.pushed_at,
            fingerprint=self._target.fingerprint,
            collection=self._target.collection,
            indexed_at=stamp.indexed_at,
            file_count=files,
            symbol_count=symbols,
            point_count=files + symbols + 1,
        )


def _mark_unfinished(target: IndexTarget, branch: ClonedBranch, context: BranchContext) -> bool:
    """Blank the indexed head, so that a crash from here on makes the branch stale.

    Returns:
        Whether the branch is new. Its row is then made, so that it is known and can be removed
        even if it is never finished.
    """
    source, stamp = context.repository.source, context.stamp
    row = _find_row(target, source, branch)
    if row is None:
        empty = IndexedBranch(
            *(branch.branch, "", "", target.fingerprint, target.collection, stamp.indexed_at),
            *(0, 0, 0),
        )
        target.state.commit_branch(source, empty)
        return True
    if row.collection not in (target.collection, target.retiring):
        _delete_branch(target, row.collection, source, branch.branch)
    target.state.commit_branch(source, replace(row, head_sha="", collection=target.collection))
    return False


def _find_row(target: IndexTarget, source: SourceId, branch: ClonedBranch) -> IndexedBranch | None:
    """Return the branch's row.

    Raises:
        PermanentError: A later run has finished the branch since this one compared heads with it:
            this one was taken up again from a later op, and would put older content back.
    """
    rows = {row.branch: row for row in target.state.list_branches(source)}
    row = rows.get(branch.branch)
    expected = {branch.indexed_sha, branch.head_sha} | (set() if branch.unchanged else {""})
    if (row.head_sha if row else "") not in expected:
        raise PermanentError(
            f"Another run has indexed {branch.branch} since this one began. Launch the partition "
            "again from the first op."
        )
    return row


def _delete_branch(target: IndexTarget, collection: str, source: SourceId, branch: str) -> None:
    """Delete a branch's points from a collection that need not exist any more."""
    if collection in target.store.list_collections():
        target.store.delete_matching(collection, branch_filter(source, branch))


def _remove_untracked_branches(
    cloned: ClonedRepository, target: IndexTarget, counts: WriteCounts
) -> None:
    """Delete branches that nobody tracks any more; ones missing at the host keep their points.

    What is tracked since this run began stays too: a later run may have indexed it already.
    """
    if not cloned.branches:
        return
    source = cloned.repository.source
    keep = {branch.branch for branch in cloned.branches} | set(cloned.missing_branches)
    present = target.state.find_source(source)
    keep |= set(present.tracked_branches) if present else set()
    collections = {row.branch: row.collection for row in target.state.list_branches(source)}
    for branch in target.state.list_branch_names(source):
        if branch in keep:
            continue
        elsewhere = {collections.get(branch, ""), target.retiring} - {"", target.collection}
        for collection in sorted(elsewhere):
            _delete_branch(target, collection, source, branch)
        counts.deleted += remove_branch_points(
            target.store, target.state, target.collection, source, branch
        )


def _add_counts(total: WriteCounts, part: WriteCounts) -> None:
    total.added += part.added
    total.changed += part.changed
    total.deleted += part.deleted
    total.unchanged += part.unchanged

"""Step 4: make the point store say what the heads say, then forget the run's files."""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.artifacts.graphs import read_graph, read_vectors
from ingestion_pipeline.core.clock import Clock
from ingestion_pipeline.core.errors import PermanentError
from ingestion_pipeline.core.graph import CodeGraph, NodeType
from ingestion_pipeline.core.points import IndexStamp, Point, make_point_id
from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.core.state import IndexedBranch
from ingestion_pipeline.embed import ENCODER_DIM, ENCODER_VERSION
from ingestion_pipeline.embed.sparse import make_query_sparse, make_sparse_vectors
from ingestion_pipeline.indexing.clone import IndexTarget
from ingestion_pipeline.indexing.handles import (
    ClonedBranch,
    ClonedRepository,
    EmbeddedRepository,
    SyncResult,
)
from ingestion_pipeline.parse.grammars import get_parser_version
from ingestion_pipeline.points.build import (
    BranchContext,
    build_document_points,
    build_repository_point,
    get_file_vectors,
)
from ingestion_pipeline.points.write import (
    BranchWriter,
    WriteCounts,
    branch_filter,
    remove_branch_points,
    sweep_orphans,
)

Progress = Callable[[str], None]


def upsert_points(
    embedded: EmbeddedRepository,
    target: IndexTarget,
    clock: Clock,
    report_progress: Progress = lambda _line: None,
) -> SyncResult:
    """Write what changed, delete what went, commit, and remove the work folder.

    Args:
        embedded: What the embed step made.
        target: Where to write; its collection exists.
        clock: Gives the time stamped on the points.
        report_progress: Called with a line after every batch.
    """
    begin, indexed_at = time.perf_counter(), clock.now()
    cloned = embedded.parsed.cloned
    counts = WriteCounts()
    for branch in cloned.branches:
        stamp = IndexStamp(branch.head_sha, cloned.pushed_at, indexed_at)
        _write_branch(cloned, branch, target, stamp, counts, report_progress)
    _remove_untracked_branches(cloned, target, counts)
    if cloned.branches:
        counts.deleted += sweep_orphans(
            target.store, target.state, target.collection, cloned.repository.source
        )
    shutil.rmtree(cloned.work_folder, ignore_errors=True)
    rows = target.state.list_branches(cloned.repository.source)
    return SyncResult(
        embedded,
        {branch.branch: branch.head_sha for branch in cloned.branches},
        sum(row.file_count for row in rows),
        sum(row.symbol_count for row in rows),
        target.state.count_points(cloned.repository.source),
        counts.added,
        counts.changed,
        counts.deleted,
        counts.unchanged,
        indexed_at,
        time.perf_counter() - begin,
    )


def _write_branch(
    cloned: ClonedRepository,
    branch: ClonedBranch,
    target: IndexTarget,
    stamp: IndexStamp,
    counts: WriteCounts,
    report: Progress,
) -> None:
    source = cloned.repository.source
    writer = BranchWriter(
        target.store,
        target.state,
        target.collection,
        source,
        branch.branch,
        lambda done: report(f"{branch.branch}: {done} files written"),
    )
    context = BranchContext(
        cloned.repository.hosted, branch.branch, stamp, ENCODER_VERSION, get_parser_version()
    )
    if branch.unchanged:
        _restamp_branch(writer, branch, context, target, counts)
        return
    if branch.rewrite:
        writer.forget_hashes()  # while the head still shows that the two do not agree
    is_new = _mark_unfinished(target, branch, context)
    graph, vectors = read_graph(branch.graph_path), read_vectors(branch.vectors_path)
    documents = build_document_points(graph, vectors, make_sparse_vectors(graph), context)
    _add_counts(counts, writer.write_documents(documents))
    writer.finish(
        _make_repository_point(graph, vectors, context), _make_row(graph, context, target)
    )
    counts.added += is_new
    counts.changed += not is_new


def _make_repository_point(
    graph: CodeGraph, vectors: npt.NDArray[np.float32], context: BranchContext
) -> Point:
    file_vectors = get_file_vectors(graph, vectors)
    if not len(file_vectors):
        # Nothing to be the mean of: a direction that is like nothing in particular.
        file_vectors = np.full((1, ENCODER_DIM), ENCODER_DIM**-0.5, dtype=np.float32)
    words = make_query_sparse(context.repository.full_name)
    return build_repository_point(file_vectors, words, context)


def _make_row(graph: CodeGraph, context: BranchContext, target: IndexTarget) -> IndexedBranch:
    types = graph.nodes["type"].to_numpy()
    files = int(np.count_nonzero(types == NodeType.FILE))
    symbols = int(np.count_nonzero(types > NodeType.FILE))
    return IndexedBranch(
        branch=context.branch,
        head_sha=context.stamp.commit_sha,
        pushed_at=context.stamp.pushed_at,
        fingerprint=target.fingerprint,
        collection=target.collection,
        indexed_at=context.stamp.indexed_at,
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
    if row.collection != target.collection:
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


def _restamp_branch(
    writer: BranchWriter,
    branch: ClonedBranch,
    context: BranchContext,
    target: IndexTarget,
    counts: WriteCounts,
) -> None:
    """Write only the branch's own point with the new times."""
    source = context.repository.source
    row = _find_row(target, source, branch)
    point_id = make_point_id(source, branch.branch, "")
    found = target.store.retrieve(target.collection, [point_id], with_vectors=True)
    if row is None or not found:
        raise PermanentError(
            f"The points of {branch.branch} went while this run was at work. Launch the partition "
            "again from the first op."
        )
    [stored] = found
    payload = {**stored.payload, **context.volatile_payload()}
    if stored.dense is None or stored.sparse is None:
        raise AssertionError("the store returned a point without the vectors that were asked for")
    point = Point(point_id, stored.dense, stored.sparse, payload)
    stamp = context.stamp
    writer.finish(point, replace(row, pushed_at=stamp.pushed_at, indexed_at=stamp.indexed_at))
    counts.changed += 1
    counts.unchanged += row.point_count - 1


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
        elsewhere = collections.get(branch, target.collection)
        if elsewhere != target.collection:
            _delete_branch(target, elsewhere, source, branch)
        counts.deleted += remove_branch_points(
            target.store, target.state, target.collection, source, branch
        )


def _add_counts(total: WriteCounts, part: WriteCounts) -> None:
    total.added += part.added
    total.changed += part.changed
    total.deleted += part.deleted
    total.unchanged += part.unchanged

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
    return SyncResult(
        embedded,
        {branch.branch: branch.head_sha for branch in cloned.branches},
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
        _restamp_branch(writer, context, target, counts)
        return
    before = _mark_unfinished(target, cloned, branch)
    graph, vectors = read_graph(branch.graph_path), read_vectors(branch.vectors_path)
    documents = build_document_points(graph, vectors, make_sparse_vectors(graph), context)
    _add_counts(counts, writer.write_documents(documents, rewrite=branch.rewrite))
    writer.finish(
        _make_repository_point(graph, vectors, context), _make_row(graph, context, target)
    )
    if before is None:
        counts.added += 1
        return
    counts.changed += 1
    if before.collection != target.collection:
        target.store.delete_matching(before.collection, branch_filter(source, branch.branch))


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


def _mark_unfinished(
    target: IndexTarget, cloned: ClonedRepository, branch: ClonedBranch
) -> IndexedBranch | None:
    """Blank the indexed head, so that a crash from here on makes the branch stale."""
    source = cloned.repository.source
    rows = {row.branch: row for row in target.state.list_branches(source)}
    row = rows.get(branch.branch)
    if row is not None:
        target.state.commit_branch(source, replace(row, head_sha=""))
    return row


def _restamp_branch(
    writer: BranchWriter, context: BranchContext, target: IndexTarget, counts: WriteCounts
) -> None:
    """Write only the branch's own point with the new times."""
    source, branch = context.repository.source, context.branch
    point_id = make_point_id(source, branch, "")
    [stored] = target.store.retrieve(target.collection, [point_id], with_vectors=True)
    [row] = [r for r in target.state.list_branches(source) if r.branch == branch]
    payload = {**stored.payload, **context.volatile_payload()}
    if row.head_sha != context.stamp.commit_sha:
        raise PermanentError(
            f"Another run has indexed {branch} since this one began. Launch the partition again "
            "from the first op."
        )
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
    """Delete branches that nobody tracks any more; ones missing at the host keep their points."""
    if not cloned.branches:
        return
    source = cloned.repository.source
    keep = {branch.branch for branch in cloned.branches} | set(cloned.missing_branches)
    for branch in target.state.list_branch_names(source):
        if branch not in keep:
            counts.deleted += remove_branch_points(
                target.store, target.state, target.collection, source, branch
            )


def _add_counts(total: WriteCounts, part: WriteCounts) -> None:
    total.added += part.added
    total.changed += part.changed
    total.deleted += part.deleted
    total.unchanged += part.unchanged

"""Statements on ``indexed_branches`` and ``document_states``; the caller holds the transaction."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select, union

from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.core.state import DocumentState, DocumentVersion, IndexedBranch
from ingestion_pipeline.state import rows
from ingestion_pipeline.state.tables import document_states, indexed_branches
from ingestion_pipeline.state.upsert import build_upsert

# Below the 999 variables a statement may have in the oldest SQLite builds.
_KEYS_PER_STATEMENT = 500
# Documents held at a time while vectors are streamed: some 2 MB at ten points of 256 dimensions.
_ROWS_PER_FETCH = 500


def list_branches(connection: Connection, source: SourceId) -> list[IndexedBranch]:
    """Return the branches indexed whole, ordered by name."""
    query = select(indexed_branches).where(rows.is_source(indexed_branches, source))
    found = connection.execute(query).mappings()
    return sorted(map(rows.read_branch, found), key=lambda indexed: indexed.branch)


def list_all_branches(connection: Connection) -> dict[SourceId, list[IndexedBranch]]:
    """Return source → branches indexed whole, ordered by name."""
    found: dict[SourceId, list[IndexedBranch]] = {}
    for row in connection.execute(select(indexed_branches)).mappings():
        found.setdefault(rows.source_of(row), []).append(rows.read_branch(row))
    for branches in found.values():
        branches.sort(key=lambda indexed: indexed.branch)
    return found


def list_heads(connection: Connection) -> dict[SourceId, dict[str, str]]:
    """Return source → branch → head sha."""
    columns = indexed_branches.c
    query = select(columns.source_kind, columns.source_id, columns.branch, columns.head_sha)
    heads: dict[SourceId, dict[str, str]] = {}
    for row in connection.execute(query).mappings():
        heads.setdefault(rows.source_of(row), {})[row["branch"]] = row["head_sha"]
    return heads


def list_branch_names(connection: Connection, source: SourceId) -> list[str]:
    """Return the names that either table has, ordered."""
    query = union(
        select(indexed_branches.c.branch).where(rows.is_source(indexed_branches, source)),
        select(document_states.c.branch).where(rows.is_source(document_states, source)),
    )
    return sorted(connection.scalars(query))


def list_documents(
    connection: Connection, source: SourceId, branch: str
) -> dict[str, DocumentState]:
    """Return document id → state."""
    return _read_documents(connection, _select_documents(source, branch))


def list_document_versions(
    connection: Connection, source: SourceId, branch: str
) -> dict[str, DocumentVersion]:
    """Return document id → version; the wide columns are not read."""
    columns = document_states.c
    query = select(
        columns.document_id,
        columns.content_hash,
        columns.context,
        columns.error,
        columns.point_count,
    ).where(rows.is_source(document_states, source, branch))
    return {
        document_id: DocumentVersion(content_hash, context, error, point_count)
        for document_id, content_hash, context, error, point_count in connection.execute(query)
    }


def read_documents(
    connection: Connection, source: SourceId, branch: str, document_ids: Collection[str]
) -> dict[str, DocumentState]:
    """Return the states of those of the documents that have one."""
    query = _select_documents(source, branch)
    found: dict[str, DocumentState] = {}
    for keys in _split_keys(document_ids):
        chosen = query.where(document_states.c.document_key.in_(keys))
        found.update(_read_documents(connection, chosen))
    return found


def iterate_vectors(
    connection: Connection, source: SourceId, branch: str
) -> Iterator[tuple[str, bytes]]:
    """Yield document id and vectors through a cursor of the server's."""
    columns = document_states.c
    query = select(columns.document_id, columns.vectors).where(
        rows.is_source(document_states, source, branch)
    )
    options = {"yield_per": _ROWS_PER_FETCH}
    yield from connection.execute(query, execution_options=options)


def _select_documents(source: SourceId, branch: str) -> Select[*tuple[Any, ...]]:
    columns = document_states.c
    return select(
        columns.document_id,
        columns.content_hash,
        columns.points,
        columns.error,
        columns.context,
        columns.vectors,
    ).where(rows.is_source(document_states, source, branch))


def _read_documents(
    connection: Connection, query: Select[*tuple[Any, ...]]
) -> dict[str, DocumentState]:
    found = connection.execute(query).mappings()
    return {row["document_id"]: rows.read_document(row) for row in found}


def commit_documents(
    connection: Connection,
    source: SourceId,
    branch: str,
    changed: Sequence[DocumentState],
    removed: Sequence[str],
) -> None:
    """Remove, then replace; of several states of one document the last counts."""
    for keys in _split_keys(removed):
        is_removed = document_states.c.document_key.in_(keys)
        connection.execute(
            delete(document_states).where(
                rows.is_source(document_states, source, branch), is_removed
            )
        )
    newest = {document.document_id: document for document in changed}
    parameters = [rows.document_columns(source, branch, document) for document in newest.values()]
    if parameters:
        connection.execute(build_upsert(connection, document_states), parameters)


def _split_keys(document_ids: Collection[str]) -> Iterator[list[str]]:
    keys = [rows.document_key(document_id) for document_id in document_ids]
    for start in range(0, len(keys), _KEYS_PER_STATEMENT):
        yield keys[start : start + _KEYS_PER_STATEMENT]


def commit_branch(connection: Connection, source: SourceId, indexed: IndexedBranch) -> None:
    """Insert or replace a branch's own row."""
    connection.execute(
        build_upsert(connection, indexed_branches), [rows.branch_columns(source, indexed)]
    )


def remove(connection: Connection, source: SourceId, branch: str | None = None) -> None:
    """Remove the rows of a branch, or of all branches of a source."""
    for table in (indexed_branches, document_states):
        connection.execute(delete(table).where(rows.is_source(table, source, branch)))


def count_points(connection: Connection, source: SourceId, branch: str | None) -> int:
    """Return the points of all document_states, and one more for each branch that was finished.

    That one is the repository's own point, which belongs to no document.
    """
    of_documents = select(func.coalesce(func.sum(document_states.c.point_count), 0)).where(
        rows.is_source(document_states, source, branch)
    )
    of_branches = (
        select(func.count())
        .select_from(indexed_branches)
        .where(rows.is_source(indexed_branches, source, branch))
    )
    query = select(of_documents.scalar_subquery() + of_branches.scalar_subquery())
    return int(connection.execute(query).scalar_one())

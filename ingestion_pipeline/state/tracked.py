"""Statements on ``tracked_repositories``; the caller holds the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError

from ingestion_pipeline.core.errors import ConfigurationError, RepositoryNotTrackedError
from ingestion_pipeline.core.repositories import (
    HostedRepository,
    RepositoryStatus,
    SourceId,
    TrackedRepository,
)
from ingestion_pipeline.state import rows
from ingestion_pipeline.state.tables import tracked_repositories as table
from ingestion_pipeline.state.upsert import build_upsert


def save(connection: Connection, repository: TrackedRepository) -> None:
    """Insert or replace the row of a source, remembering the keys it had.

    Raises:
        ConfigurationError: Another source is tracked under this key.
    """
    key = repository.partition_key
    holder = find(connection, key)
    if holder is not None and holder.source != repository.source:
        raise _taken(repository.source, key, f"It belongs to {holder.source}")
    query = select(table).where(rows.is_source(table, repository.source)).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    former = merge_former_keys(rows.read_repository(row) if row else None, repository)
    columns = {**rows.repository_columns(repository), "former_keys": former}
    try:
        connection.execute(build_upsert(connection, table), [columns])
    except IntegrityError as error:
        raise _explain_conflict(error, repository.source, key) from error


def merge_former_keys(before: TrackedRepository | None, now: TrackedRepository) -> list[str]:
    """Return the keys a repository had, oldest first, each once, the present one left out."""
    stored = (*before.former_keys, before.partition_key) if before else ()
    keys = dict.fromkeys((*now.former_keys, *stored))
    keys.pop(now.partition_key, None)
    return list(keys)


def move(connection: Connection, source: SourceId, key: str) -> TrackedRepository | None:
    """Take over a rename; None, and nothing done, where the source is not tracked.

    Raises:
        ConfigurationError: Another source is tracked under this key.
    """
    query = select(table).where(rows.is_source(table, source), table.c.untracked_at.is_(None))
    row = connection.execute(query.with_for_update()).mappings().one_or_none()
    if row is None:
        return None
    before = rows.read_repository(row)
    hosted = replace(before.hosted, full_name=key)
    now = replace(before, partition_key=key, hosted=hosted)
    now = replace(now, former_keys=tuple(merge_former_keys(before, now)))
    holder = find(connection, key)
    if holder is not None and holder.source != source:
        raise _taken(source, key, f"It belongs to {holder.source}")
    values = {"partition_key": key, "full_name": key, "former_keys": list(now.former_keys)}
    try:
        connection.execute(update(table).where(rows.is_source(table, source)).values(values))
    except IntegrityError as error:
        raise _explain_conflict(error, source, key) from error
    return now


def _explain_conflict(error: IntegrityError, source: SourceId, key: str) -> Exception:
    # On Postgres another transaction may take the key between the look and the write.
    if "partition_key" not in str(error.orig):
        return error
    return _taken(source, key, "Another process has just tracked it")


def _taken(source: SourceId, key: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{source} cannot be tracked as {key}: the name is taken. {why}. To free it: "
        f"ingestion-pipeline untrack {key}"
    )


def find(connection: Connection, partition_key: str) -> TrackedRepository | None:
    """Return the repository tracked under a key."""
    query = select(table).where(
        table.c.partition_key == partition_key, table.c.untracked_at.is_(None)
    )
    row = connection.execute(query).mappings().one_or_none()
    return rows.read_repository(row) if row else None


def find_source(connection: Connection, source: SourceId) -> TrackedRepository | None:
    """Return the row of a source, tracked or not."""
    query = select(table).where(rows.is_source(table, source))
    row = connection.execute(query).mappings().one_or_none()
    return rows.read_repository(row) if row else None


def list_all(connection: Connection, *, include_untracked: bool) -> list[TrackedRepository]:
    """Return the repositories ordered by key, in code point order whatever the collation."""
    query = select(table)
    if not include_untracked:
        query = query.where(table.c.untracked_at.is_(None))
    found = [rows.read_repository(row) for row in connection.execute(query).mappings()]
    return sorted(found, key=lambda repository: (repository.partition_key, str(repository.source)))


def untrack(connection: Connection, partition_key: str, at: datetime) -> None:
    """Mark the repository tracked under a key.

    Raises:
        RepositoryNotTrackedError: There is none.
    """
    statement = update(table).where(
        table.c.partition_key == partition_key, table.c.untracked_at.is_(None)
    )
    if not connection.execute(statement.values(untracked_at=at)).rowcount:
        raise RepositoryNotTrackedError(
            f"{partition_key} is not tracked. To see what is: ingestion-pipeline repositories"
        )


def remove(connection: Connection, source: SourceId) -> None:
    """Remove the row of a source."""
    connection.execute(delete(table).where(rows.is_source(table, source)))


def _set_columns(
    connection: Connection, source: SourceId, values: Mapping[str, str | None]
) -> None:
    connection.execute(update(table).where(rows.is_source(table, source)).values(values))


def set_hosted(
    connection: Connection, source: SourceId, hosted: HostedRepository, detail: str
) -> None:
    """Store what the host says now."""
    values = {**rows.hosted_columns(hosted), "status_detail": rows.clean_text(detail)}
    _set_columns(connection, source, values)


def set_status(
    connection: Connection, source: SourceId, status: RepositoryStatus, detail: str
) -> None:
    """Store a status and the message behind it."""
    values = {"status": status.value, "status_detail": rows.clean_text(detail)}
    _set_columns(connection, source, values)


def set_ignore_patterns(connection: Connection, source: SourceId, patterns: Sequence[str]) -> None:
    """Store which files are left out from now on."""
    where = rows.is_source(table, source)
    connection.execute(update(table).where(where).values(ignore_patterns=list(patterns)))


def set_pushed_at_seen(connection: Connection, seen: Mapping[SourceId, str]) -> None:
    """Remember pushes that need no run, many sources in one batch."""
    statement = (
        update(table)
        .where(table.c.source_kind == bindparam("kind"), table.c.source_id == bindparam("id"))
        .values(pushed_at_seen=bindparam("seen"))
    )
    parameters = [
        {"kind": source.kind.value, "id": source.stable_id, "seen": pushed_at}
        for source, pushed_at in seen.items()
    ]
    if parameters:
        connection.execute(statement, parameters)

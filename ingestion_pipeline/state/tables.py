"""The tables. Any change here needs a migration; a test compares the two."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    false,
    text,
)
from sqlalchemy.exc import DontWrapMixin


class NaiveTimeError(ValueError, DontWrapMixin):
    """A time without a timezone was about to be stored; a mistake of the caller."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: timezone-aware in Python, UTC in the database.

    SQLite has no timezones and would give naive times back, so UTC is put on again when read.

    Raises:
        NaiveTimeError: A naive time is stored.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return ``value`` in UTC, without its timezone where the database knows none."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise NaiveTimeError(f"{value!r} has no timezone; times are stored timezone-aware.")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return ``value`` as an aware time in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=False, **options)


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

tracked_repositories = Table(
    "tracked_repositories",
    metadata,
    _text("source_kind", primary_key=True),
    _text("source_id", primary_key=True),
    _text("partition_key"),
    _text("node_id"),
    _text("full_name"),
    _text("clone_url"),
    _text("web_url"),
    _text("default_branch"),
    Column("pushed_at", Text),
    _text("status"),
    _text("status_detail"),
    Column("branches", JSON, nullable=False),
    Column("pushed_at_seen", Text),
    Column("tracked_at", UtcDateTime),
    Column("untracked_at", UtcDateTime),
    Column("former_keys", JSON, nullable=False),
    Column("ignore_patterns", JSON, nullable=False, server_default="[]"),
)

# Only tracked rows compete for a key: a repository deleted and made anew under the same name is
# another source, and the old one's row waits for its points to be purged.
Index(
    "uq_tracked_repositories_partition_key",
    tracked_repositories.c.partition_key,
    unique=True,
    sqlite_where=text("untracked_at IS NULL"),
    postgresql_where=text("untracked_at IS NULL"),
)

indexed_branches = Table(
    "indexed_branches",
    metadata,
    _text("source_kind", primary_key=True),
    _text("source_id", primary_key=True),
    _text("branch", primary_key=True),
    _text("head_sha"),
    _text("pushed_at"),
    _text("fingerprint"),
    _text("collection"),
    Column("indexed_at", UtcDateTime, nullable=False),
    _count("file_count"),
    _count("symbol_count"),
    _count("point_count"),
)

document_states = Table(
    "document_states",
    metadata,
    _text("source_kind", primary_key=True),
    _text("source_id", primary_key=True),
    _text("branch", primary_key=True),
    # A digest of document_id: git paths have no length limit, but a Postgres index entry has one
    # (2,704 bytes), and one hostile path must not keep a repository from being indexed.
    _text("document_key", primary_key=True),
    _text("document_id"),
    _text("content_hash"),
    # Counted when written, so that counting never parses JSON; it stands before ``points`` so that
    # SQLite reads it without touching a long row's overflow pages.
    _count("point_count"),
    _text("error"),
    _text("context", server_default=""),
    Column("points", JSON, nullable=False),
    # Last, and beside JSON that is read whole or not at all: most reads want neither.
    Column("vectors", LargeBinary, nullable=False, server_default=text("''")),
)

# Derived, and read by queries alone: a row a branch, packed, because only wholes are ever written.
file_relations = Table(
    "file_relations",
    metadata,
    _text("source_kind", primary_key=True),
    _text("source_id", primary_key=True),
    _text("branch", primary_key=True),
    Column("relations", LargeBinary, nullable=False),
)

ingestion_history = Table(
    "ingestion_history",
    metadata,
    _text("run_id", primary_key=True),
    _text("partition_key"),
    Column("source_kind", Text),
    Column("source_id", Text),
    _text("status"),
    Column("started_at", UtcDateTime, nullable=False),
    Column("duration_seconds", Double, nullable=False),
    _count("files"),
    _count("points_added"),
    _count("points_changed"),
    _count("points_deleted"),
    _text("error"),
    Column("files_parsed", Integer, nullable=False, server_default="0"),
    Column("points_embedded", Integer, nullable=False, server_default="0"),
    Column("is_full", Boolean, nullable=False, server_default=false()),
    Column("commits_pulled", Integer),
    Index(None, "partition_key", "started_at"),
    Index(None, "source_kind", "source_id", "started_at"),
    Index(None, "started_at"),
)

# Apart from the tracked rows: written at every tick, while those are saved whole by commands.
check_schedules = Table(
    "check_schedules",
    metadata,
    _text("source_kind", primary_key=True),
    _text("source_id", primary_key=True),
    Column("next_check_at", UtcDateTime),
    _count("failures"),
    Column("bumped_at", UtcDateTime),
)

# An outbox: written before anything is sent. Rows stay, as those of the history do.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    _text("delivery_id", primary_key=True),
    _text("job_id"),
    _text("url"),
    _text("event"),
    _text("body"),
    Column("created_at", UtcDateTime, nullable=False),
    _count("attempts"),
    Column("next_attempt_at", UtcDateTime),
    Column("delivered_at", UtcDateTime),
    Column("dead_at", UtcDateTime),
    _text("last_error"),
    Index(None, "job_id"),
    Index(None, "created_at"),
    Index(None, "next_attempt_at"),
)

# An outbox, too: a row is written before its run exists. Rows stay.
sync_jobs = Table(
    "sync_jobs",
    metadata,
    _text("job_id", primary_key=True),
    _text("source_kind"),
    _text("source_id"),
    _text("partition_key"),
    _text("options"),
    _text("requested_by"),
    _text("idempotency_key"),
    _text("request_digest"),
    _text("webhook_url"),
    Column("accepted_at", UtcDateTime, nullable=False),
    Column("dispatched_at", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("cancel_asked_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("ended_as", Text),
    _text("error"),
    _text("sweep_id", server_default=""),
    _text("result", server_default=""),
    Index(None, "accepted_at"),
    Index(None, "sweep_id"),
    Index(None, "ended_as", "ended_at"),
)

sync_sweeps = Table(
    "sync_sweeps",
    metadata,
    _text("sweep_id", primary_key=True),
    _text("requested_by"),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("checked_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    _count("total"),
    _text("problem"),
    Index(None, "asked_at"),
)

# Those of the last days, so that one that comes again is known.
received_webhooks = Table(
    "received_webhooks",
    metadata,
    _text("delivery_id", primary_key=True),
    Column("received_at", UtcDateTime, nullable=False),
    Index(None, "received_at"),
)

# The few that a second's look is at, among all there ever were.
Index(
    "ix_sync_jobs_unended",
    sync_jobs.c.accepted_at,
    sqlite_where=text("ended_at IS NULL"),
    postgresql_where=text("ended_at IS NULL"),
)
# One at a time per repository; what was asked to end does not keep out what replaces it.
Index(
    "uq_sync_jobs_active",
    sync_jobs.c.source_kind,
    sync_jobs.c.source_id,
    unique=True,
    sqlite_where=text("ended_at IS NULL AND cancel_asked_at IS NULL"),
    postgresql_where=text("ended_at IS NULL AND cancel_asked_at IS NULL"),
)
Index(
    "uq_sync_jobs_idempotency_key",
    sync_jobs.c.idempotency_key,
    unique=True,
    sqlite_where=text("idempotency_key <> ''"),
    postgresql_where=text("idempotency_key <> ''"),
)

sync_progress = Table(
    "sync_progress",
    metadata,
    _text("run_id", primary_key=True),
    _text("partition_key"),
    _text("stage"),
    _count("done"),
    _count("total"),
    _text("current"),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("percentage", Integer, nullable=False, server_default="0"),
)

"""Syncs that somebody asked for, until they ended."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "sync_jobs",
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True)) for name in _TIMES),
        sa.Column("ended_as", sa.Text()),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_sync_jobs"),
    )
    op.create_index("ix_sync_jobs_accepted_at", "sync_jobs", ["accepted_at"])
    for name, columns, where in _UNIQUE:
        condition = sa.text(where)
        op.create_index(
            name,
            "sync_jobs",
            columns,
            unique=True,
            sqlite_where=condition,
            postgresql_where=condition,
        )


def downgrade() -> None:
    """Drop it, and with it the jobs that wait."""
    op.drop_table("sync_jobs")


_TEXTS = (
    "job_id",
    "source_kind",
    "source_id",
    "partition_key",
    "options",
    "requested_by",
    "idempotency_key",
    "request_digest",
    "webhook_url",
)
_TIMES = ("dispatched_at", "started_at", "cancel_asked_at", "ended_at")
_UNIQUE = (
    (
        "uq_sync_jobs_active",
        ["source_kind", "source_id"],
        "ended_at IS NULL AND cancel_asked_at IS NULL",
    ),
    ("uq_sync_jobs_idempotency_key", ["idempotency_key"], "idempotency_key <> ''"),
)

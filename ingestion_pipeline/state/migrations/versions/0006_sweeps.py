"""Syncs of everything, what came of jobs, and which webhooks were received."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables and columns; what was there before was incremental as far as anybody knows."""
    op.create_table(
        "sync_sweeps",
        sa.Column("sweep_id", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sweep_id", name="pk_sync_sweeps"),
    )
    op.create_index("ix_sync_sweeps_asked_at", "sync_sweeps", ["asked_at"])
    op.create_table(
        "received_webhooks",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_received_webhooks"),
    )
    op.create_index("ix_received_webhooks_received_at", "received_webhooks", ["received_at"])
    for name in ("sweep_id", "result"):
        column = sa.Column(name, sa.Text(), nullable=False, server_default="")
        op.add_column("sync_jobs", column)
    op.create_index("ix_sync_jobs_sweep_id", "sync_jobs", ["sweep_id"])
    op.create_index("ix_sync_jobs_ended_as_ended_at", "sync_jobs", ["ended_as", "ended_at"])
    unended = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_sync_jobs_unended",
        "sync_jobs",
        ["accepted_at"],
        sqlite_where=unended,
        postgresql_where=unended,
    )
    full = sa.Column("is_full", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("ingestion_history", full)
    op.add_column("ingestion_history", sa.Column("commits_pulled", sa.Integer()))


def downgrade() -> None:
    """Take them away again."""
    op.drop_column("ingestion_history", "commits_pulled")
    op.drop_column("ingestion_history", "is_full")
    op.drop_index("ix_sync_jobs_unended", "sync_jobs")
    op.drop_index("ix_sync_jobs_ended_as_ended_at", "sync_jobs")
    op.drop_index("ix_sync_jobs_sweep_id", "sync_jobs")
    op.drop_column("sync_jobs", "result")
    op.drop_column("sync_jobs", "sweep_id")
    op.drop_table("received_webhooks")
    op.drop_table("sync_sweeps")

"""Webhooks that tell of jobs, until they arrived."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "webhook_deliveries",
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True)) for name in _TIMES),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_webhook_deliveries"),
    )
    for column in _INDEXED:
        op.create_index(f"ix_webhook_deliveries_{column}", "webhook_deliveries", [column])


def downgrade() -> None:
    """Drop it, and with it what was not sent yet."""
    op.drop_table("webhook_deliveries")


_TEXTS = ("delivery_id", "job_id", "url", "event", "body")
_TIMES = ("next_attempt_at", "delivered_at", "dead_at")
_INDEXED = ("job_id", "created_at", "next_attempt_at")

"""How much of a whole sync is done."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it to the progress of runs."""
    column = sa.Column("percentage", sa.Integer(), nullable=False, server_default="0")
    op.add_column("sync_progress", column)


def downgrade() -> None:
    """Take it away again."""
    op.drop_column("sync_progress", "percentage")

"""How the files of a branch belong together, for queries."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "file_relations",
        *(sa.Column(name, sa.Text(), nullable=False) for name in _KEY),
        sa.Column("relations", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(*_KEY, name="pk_file_relations"),
    )


def downgrade() -> None:
    """Drop it and all it holds; the next change of each branch would bring it back."""
    op.drop_table("file_relations")


_KEY = ("source_kind", "source_id", "branch")

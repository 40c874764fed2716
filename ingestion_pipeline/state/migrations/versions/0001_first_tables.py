"""The first tables: tracked repositories, indexed branches, document states, history."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    _create_tracked_repositories()
    _create_indexed_branches()
    _create_document_states()
    _create_ingestion_history()


def downgrade() -> None:
    """Drop the tables and all they hold."""
    for table in (
        "ingestion_history",
        "document_states",
        "indexed_branches",
        "tracked_repositories",
    ):
        op.drop_table(table)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _create_tracked_repositories() -> None:
    op.create_table(
        "tracked_repositories",
        _text("source_kind"),
        _text("source_id"),
        _text("partition_key"),
        _text("node_id"),
        _text("full_name"),
        _text("clone_url"),
        _text("web_url"),
        _text("default_branch"),
        _text("pushed_at", nullable=True),
        _text("status"),
        _text("status_detail"),
        sa.Column("branches", sa.JSON(), nullable=False),
        _text("pushed_at_seen", nullable=True),
        _moment("tracked_at", nullable=True),
        _moment("untracked_at", nullable=True),
        sa.Column("former_keys", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("source_kind", "source_id", name="pk_tracked_repositories"),
    )
    op.create_index(
        "uq_tracked_repositories_partition_key",
        "tracked_repositories",
        ["partition_key"],
        unique=True,
        sqlite_where=sa.text("untracked_at IS NULL"),
        postgresql_where=sa.text("untracked_at IS NULL"),
    )


def _create_indexed_branches() -> None:
    op.create_table(
        "indexed_branches",
        _text("source_kind"),
        _text("source_id"),
        _text("branch"),
        _text("head_sha"),
        _text("pushed_at"),
        _text("fingerprint"),
        _text("collection"),
        _moment("indexed_at"),
        _count("file_count"),
        _count("symbol_count"),
        _count("point_count"),
        sa.PrimaryKeyConstraint("source_kind", "source_id", "branch", name="pk_indexed_branches"),
    )


def _create_document_states() -> None:
    op.create_table(
        "document_states",
        _text("source_kind"),
        _text("source_id"),
        _text("branch"),
        _text("document_key"),
        _text("document_id"),
        _text("content_hash"),
        _count("point_count"),
        _text("error"),
        sa.Column("points", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint(
            "source_kind", "source_id", "branch", "document_key", name="pk_document_states"
        ),
    )


def _create_ingestion_history() -> None:
    op.create_table(
        "ingestion_history",
        _text("run_id"),
        _text("partition_key"),
        _text("source_kind", nullable=True),
        _text("source_id", nullable=True),
        _text("status"),
        _moment("started_at"),
        sa.Column("duration_seconds", sa.Double(), nullable=False),
        _count("files"),
        _count("points_added"),
        _count("points_changed"),
        _count("points_deleted"),
        _text("error"),
        sa.PrimaryKeyConstraint("run_id", name="pk_ingestion_history"),
    )
    for columns in (
        ["partition_key", "started_at"],
        ["source_kind", "source_id", "started_at"],
        ["started_at"],
    ):
        name = f"ix_ingestion_history_{'_'.join(columns)}"
        op.create_index(name, "ingestion_history", columns)

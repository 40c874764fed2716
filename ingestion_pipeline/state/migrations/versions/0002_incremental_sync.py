"""Incremental sync: document versions and vectors, ignore patterns, schedules, progress."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and tables."""
    if op.get_context().dialect.name == "sqlite":
        _rebuild_document_states()
    else:
        op.add_column("document_states", _text("context", server_default=""))
        op.add_column("document_states", _vectors("''"))
    op.add_column(
        "tracked_repositories",
        sa.Column("ignore_patterns", sa.JSON(), nullable=False, server_default="[]"),
    )
    for name in ("files_parsed", "points_embedded"):
        op.add_column("ingestion_history", _count(name, server_default="0"))
    _create_check_schedules()
    _create_sync_progress()


def downgrade() -> None:
    """Drop them and all they hold."""
    for table in ("sync_progress", "check_schedules"):
        op.drop_table(table)
    for name in ("points_embedded", "files_parsed"):
        op.drop_column("ingestion_history", name)
    op.drop_column("tracked_repositories", "ignore_patterns")
    for name in ("vectors", "context"):
        op.drop_column("document_states", name)


def _text(name: str, *, server_default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default=server_default)


def _count(name: str, *, server_default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=server_default)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _vectors(default: str) -> sa.Column[bytes]:
    return sa.Column("vectors", sa.LargeBinary(), nullable=False, server_default=sa.text(default))


def _rebuild_document_states() -> None:
    # SQLite reads a long row from its start, so ``context`` has to stand before the wide columns,
    # and ALTER TABLE can only append. There '' is text; an empty blob is x''.
    op.create_table(
        "document_states_new",
        _text("source_kind"),
        _text("source_id"),
        _text("branch"),
        _text("document_key"),
        _text("document_id"),
        _text("content_hash"),
        _count("point_count"),
        _text("error"),
        _text("context", server_default=""),
        sa.Column("points", sa.JSON(), nullable=False),
        _vectors("x''"),
        sa.PrimaryKeyConstraint(
            "source_kind", "source_id", "branch", "document_key", name="pk_document_states"
        ),
    )
    names = (
        "source_kind, source_id, branch, document_key, document_id, content_hash, point_count, "
        "error, points"
    )
    op.execute(
        f"INSERT INTO document_states_new ({names}) "  # noqa: S608 - our own constant
        f"SELECT {names} FROM document_states ORDER BY source_kind, source_id, branch"
    )
    op.drop_table("document_states")
    op.rename_table("document_states_new", "document_states")


def _create_check_schedules() -> None:
    op.create_table(
        "check_schedules",
        _text("source_kind"),
        _text("source_id"),
        _moment("next_check_at", nullable=True),
        _count("failures"),
        _moment("bumped_at", nullable=True),
        sa.PrimaryKeyConstraint("source_kind", "source_id", name="pk_check_schedules"),
    )


def _create_sync_progress() -> None:
    op.create_table(
        "sync_progress",
        _text("run_id"),
        _text("partition_key"),
        _text("stage"),
        _count("done"),
        _count("total"),
        _text("current"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("run_id", name="pk_sync_progress"),
    )

"""The real adapter of the ``DeliveryStore`` port, for SQLite and Postgres."""

from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import Connection, Engine, select, update

from ingestion_pipeline.core.deliveries import Delivery, DeliveryStore
from ingestion_pipeline.state import rows
from ingestion_pipeline.state.engine import begin_transaction
from ingestion_pipeline.state.tables import webhook_deliveries as table
from ingestion_pipeline.state.upsert import build_insert


class SqlDeliveryStore(DeliveryStore):
    """Deliveries in the database of a ``SqlStateStore``, with the same errors and threads.

    Args:
        engine: The state store's, which disposes of it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _writing(self) -> AbstractContextManager[Connection]:
        return begin_transaction(self._engine, writes=True)

    def add_delivery(self, delivery: Delivery) -> None:
        """Store it as it is; an id that is there already changes nothing."""
        with self._writing() as connection:
            statement = build_insert(connection, table).on_conflict_do_nothing()
            connection.execute(statement, [rows.delivery_columns(delivery)])

    def claim_due(self, now: datetime, until: datetime, limit: int) -> list[Delivery]:
        """Take deliveries that are due; see the port.

        Postgres passes over rows that another claim holds; SQLite lets one writer in at a time.
        """
        due = (
            select(table.c.delivery_id)
            .where(table.c.next_attempt_at <= now)
            .order_by(table.c.next_attempt_at, table.c.delivery_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._writing() as connection:
            ids = list(connection.scalars(due))
            of_ids = table.c.delivery_id.in_(ids)
            connection.execute(update(table).where(of_ids).values(next_attempt_at=until))
            found = connection.execute(select(table).where(of_ids)).mappings()
            claimed = {row["delivery_id"]: rows.read_delivery(row) for row in found}
        return [claimed[delivery_id] for delivery_id in ids]

    def record_delivered(self, delivery_id: str, at: datetime) -> None:
        """Count a try that arrived; this is the end of it, also for a dead letter."""
        statement = (
            update(table)
            .where(table.c.delivery_id == delivery_id, table.c.delivered_at.is_(None))
            .values(
                attempts=table.c.attempts + 1,
                next_attempt_at=None,
                delivered_at=at,
                dead_at=None,
                last_error="",
            )
        )
        with self._writing() as connection:
            connection.execute(statement)

    def record_failure(
        self, delivery_id: str, at: datetime, error: str, next_attempt_at: datetime | None
    ) -> None:
        """Count a try that failed; nothing happens if another sender ended it meanwhile."""
        statement = (
            update(table)
            .where(table.c.delivery_id == delivery_id, table.c.next_attempt_at.is_not(None))
            .values(
                attempts=table.c.attempts + 1,
                next_attempt_at=next_attempt_at,
                dead_at=at if next_attempt_at is None else None,
                last_error=rows.clean_text(error),
            )
        )
        with self._writing() as connection:
            connection.execute(statement)

    def list_deliveries(
        self, *, dead: bool = False, job_id: str | None = None, limit: int = 100
    ) -> list[Delivery]:
        """Return the newest first; see the port."""
        query = select(table).order_by(table.c.created_at.desc(), table.c.delivery_id).limit(limit)
        if dead:
            query = query.where(table.c.dead_at.is_not(None))
        if job_id is not None:
            query = query.where(table.c.job_id == job_id)
        with begin_transaction(self._engine, writes=False) as connection:
            return [rows.read_delivery(row) for row in connection.execute(query).mappings()]

    def revive(self, delivery_id: str, at: datetime) -> bool:
        """Make a dead letter due at ``at``, with all its tries before it again; see the port."""
        statement = (
            update(table)
            .where(table.c.delivery_id == delivery_id, table.c.dead_at.is_not(None))
            .values(attempts=0, next_attempt_at=at, dead_at=None)
        )
        with self._writing() as connection:
            return connection.execute(statement).rowcount > 0

"""The state store: what is tracked and what was written where, in SQLite or Postgres.

Belongs here: the tables and their migrations, the adapters of the ``StateStore`` and
``DeliveryStore`` ports, the locks that every process sharing the database sees. Does not belong
here: deciding what is stale or what goes, and anything Dagster keeps itself (runs, events,
partitions).

``open_state_store(url)`` is the way in: it migrates the database and returns the store.
"""

from ingestion_pipeline.state.opening import open_state_store

__all__ = ["open_state_store"]

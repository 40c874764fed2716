"""Alembic's entry point: runs the migrations on the connection that ``migrate`` hands over.

The caller's transaction spans all of them, on SQLite too (its DDL is transactional), and commits.
"""

from alembic import context

from ingestion_pipeline.state.revision import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()

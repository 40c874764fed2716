"""``ingestion-pipeline state``: the schema of the state store."""

import click

from ingestion_pipeline.cli.opening import console
from ingestion_pipeline.settings import load_settings
from ingestion_pipeline.state.migrate import (
    downgrade_state,
    get_current_revision,
    upgrade_state,
)


@click.group()
def state() -> None:
    """Look at or change the schema of the state store (Alembic)."""


@state.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Upgrade to REVISION (default: head). Every command does this by itself."""
    upgrade_state(load_settings().state_url, revision)
    console.print("state is at", get_current_revision(load_settings().state_url) or "nothing")


@state.command()
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Downgrade to REVISION (`base` removes every table of the state)."""
    downgrade_state(load_settings().state_url, revision)
    console.print("state is at", get_current_revision(load_settings().state_url) or "nothing")


@state.command()
def current() -> None:
    """Print the revision that the state store is at."""
    console.print(get_current_revision(load_settings().state_url) or "nothing")

"""``ingestion-pipeline``: the commands, put together."""

import sys

import click

from ingestion_pipeline.cli.repositories import repositories, track, untrack
from ingestion_pipeline.cli.searching import search
from ingestion_pipeline.cli.state import state
from ingestion_pipeline.cli.syncing import run, sync
from ingestion_pipeline.core.errors import IngestionError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ingestion_pipeline")
def cli() -> None:
    """Keep Qdrant true to your repositories."""


for command in (run, track, untrack, repositories, sync, search, state):
    cli.add_command(command)


def main() -> None:
    """Run the command line; our own errors end as one line on stderr and exit status 1."""
    try:
        cli()
    except IngestionError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)

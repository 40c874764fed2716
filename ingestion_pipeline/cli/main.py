"""``ingestion-pipeline``: the commands, put together."""

from typing import Any

import click

from ingestion_pipeline.cli.repositories import repositories, track, untrack
from ingestion_pipeline.cli.searching import search
from ingestion_pipeline.cli.state import state
from ingestion_pipeline.cli.syncing import run, sync
from ingestion_pipeline.core.errors import IngestionError


class IngestionGroup(click.Group):
    """Ends our own errors as one line on stderr and exit status 1, however it is called."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except IngestionError as error:
            raise click.ClickException(" ".join(str(error).split())) from error


@click.group(
    cls=IngestionGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="ingestion_pipeline")
def cli() -> None:
    """Keep Qdrant true to your repositories."""


for command in (run, track, untrack, repositories, sync, search, state):
    cli.add_command(command)


def main() -> None:
    """Run the command line."""
    cli()

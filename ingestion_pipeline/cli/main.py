"""``ingestion-pipeline``: the commands, put together."""

import errno
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from ingestion_pipeline.cli.developing import dev
from ingestion_pipeline.cli.encoders import encoder
from ingestion_pipeline.cli.repositories import repositories, track, untrack
from ingestion_pipeline.cli.searching import search
from ingestion_pipeline.cli.serving import serve
from ingestion_pipeline.cli.state import state
from ingestion_pipeline.cli.syncing import run, sync
from ingestion_pipeline.cli.verifying import verify
from ingestion_pipeline.core.errors import IngestionError


class IngestionGroup(click.Group):
    """Ends errors a person can act on as one line on stderr and exit status 1, however called."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except IngestionError as error:
            raise _say(str(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of our output left; click ends that quietly
                raise
            advice = "See that the disk has room and that this user may read and write there."
            raise _say(f"{error}. {advice}") from error
        except DBAPIError as error:  # the state store words its own failures
            advice = "See that its disk has room and is whole; INGESTION_HOME/.dagster holds it."
            raise _say(f"Dagster's storage failed: {error.orig}. {advice}") from error


def _say(message: str) -> click.ClickException:
    return click.ClickException(" ".join(message.split()))


@click.group(
    cls=IngestionGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="ingestion_pipeline")
def cli() -> None:
    """Keep Qdrant true to your repositories."""


for command in (
    *(run, track, untrack, repositories, sync, verify, search),
    *(encoder, dev, serve, state),
):
    cli.add_command(command)


def main() -> None:
    """Run the command line."""
    cli()


if __name__ == "__main__":
    main()

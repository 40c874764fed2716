"""``ingestion-pipeline dev``: Dagster and the HTTP door in one terminal."""

import os
import sys
from contextlib import suppress

import click

from ingestion_pipeline.cli.opening import console
from ingestion_pipeline.cli.serving import require_token
from ingestion_pipeline.cli.supervising import Service, Supervisor, require_free_ports
from ingestion_pipeline.settings import load_settings

_PORTS = click.IntRange(1, 65_535)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of `serve`.")
@click.option("--port", default=3000, show_default=True, type=_PORTS, help="Port of Dagster's UI.")
@click.option("--http-port", default=8080, show_default=True, type=_PORTS, help="Port of `serve`.")
def dev(host: str, port: int, http_port: int) -> None:
    """Start `dagster dev` and `serve` together; Ctrl-C ends both."""
    settings = load_settings()
    require_token(settings, host)
    # Whoever reaches Dagster's UI may do all, and it knows no token.
    services = (_make_dagster("127.0.0.1", port), _make_door(host, http_port))
    require_free_ports(services)
    environment = {**os.environ, "INGESTION_HOME": str(settings.home)}
    Supervisor(services, settings.home, environment, _say).run()


def _make_dagster(host: str, port: int) -> Service:
    program = (sys.executable, "-m", "dagster", "dev")
    command = (*program, "--host", host, "--port", str(port))
    return Service("Dagster", command, host, port, "--port")


def _make_door(host: str, port: int) -> Service:
    program = (sys.executable, "-m", "ingestion_pipeline.cli.main", "serve")
    command = (*program, "--host", host, "--port", str(port))
    return Service("The HTTP door", command, host, port, "--http-port")


def _say(line: str) -> None:
    # A terminal that was closed takes no line, and all has to end all the same.
    with suppress(OSError):
        console.print(line, markup=False, style="bold")

"""``ingestion-pipeline serve``: the HTTP door."""

import logging

import click

from ingestion_pipeline.cli.log_format import configure_log
from ingestion_pipeline.cli.opening import open_command
from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.settings import Settings

_logger = logging.getLogger(__name__)

_MOST_CONNECTIONS = 512
# Who waits for an answer is told sooner than a run is that the embedded points are in use.
_MOST_LOCK_SECONDS = 15.0
_SHUTDOWN_SECONDS = 5
# Longer than pollers pause and than balancers keep theirs (60 s): whoever asks just when the server
# closes an idle connection gets no answer. Uvicorn's own 5 s are a usual pause between polls.
_KEEP_ALIVE_SECONDS = 75


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port to listen on; 0 for any that is free.",
)
def serve(host: str, port: int) -> None:
    """Serve HTTP: syncs to queue, watch and cancel, GitHub's push webhook, /healthz."""
    # 0.4 s that no other command should pay for.
    import uvicorn

    from ingestion_pipeline.api.app import make_app
    from ingestion_pipeline.orchestration.instance import open_instance

    with open_command() as services, open_instance(services.settings) as instance:
        configure_log(services.settings.log_format)
        require_token(services.settings, host)
        seconds = min(services.settings.edge_lock_timeout_seconds, _MOST_LOCK_SECONDS)
        changes = {"edge_lock_timeout_seconds": seconds}
        services.settings = services.settings.model_copy(update=changes)
        if services.settings.github_webhook_secret is None:
            _logger.warning("Webhooks are refused until INGESTION_GITHUB_WEBHOOK_SECRET is set.")
        uvicorn.run(
            make_app(services, instance),
            host=host,
            port=port,
            limit_concurrency=_MOST_CONNECTIONS,
            log_config=None,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            # A stream of events would hold up the end for as long as its job takes.
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            ws="none",
        )


def require_token(settings: Settings, host: str) -> None:
    """See that nobody but who has the token can start syncs.

    Raises:
        ConfigurationError: Other machines would reach this one, and there is no token.
    """
    from ingestion_pipeline.api.guard import is_loopback

    if settings.admin_token is None and not is_loopback(host):
        raise ConfigurationError(
            f"Without INGESTION_ADMIN_TOKEN whoever reaches {host} could start syncs. Set it, "
            "or listen on 127.0.0.1."
        )

"""``ingestion-pipeline serve``: the HTTP door."""

import ipaddress
import logging

import click

from ingestion_pipeline.cli.log_format import configure_log
from ingestion_pipeline.cli.opening import open_command
from ingestion_pipeline.core.errors import ConfigurationError

_logger = logging.getLogger(__name__)

# Each may hold a payload of 25 MB that nobody has verified yet.
_MOST_CONNECTIONS = 64


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
        if services.settings.admin_token is None and not _is_loopback(host):
            raise ConfigurationError(
                f"Without INGESTION_ADMIN_TOKEN whoever reaches {host} could start syncs. Set it, "
                "or listen on 127.0.0.1."
            )
        if services.settings.github_webhook_secret is None:
            _logger.warning("Webhooks are refused until INGESTION_GITHUB_WEBHOOK_SECRET is set.")
        uvicorn.run(
            make_app(services, instance),
            host=host,
            port=port,
            limit_concurrency=_MOST_CONNECTIONS,
            log_config=None,
            server_header=False,
            ws="none",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""``ingestion-pipeline serve``: the HTTP door."""

import click

from ingestion_pipeline.cli.opening import console, open_command

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
    """Serve HTTP: GitHub's push webhook, the progress of runs, /healthz."""
    # 0.4 s that no other command should pay for.
    import uvicorn

    from ingestion_pipeline.api.app import make_app

    with open_command() as services:
        if services.settings.github_webhook_secret is None:
            console.print(
                "Webhooks are refused until INGESTION_GITHUB_WEBHOOK_SECRET is set.", style="yellow"
            )
        uvicorn.run(
            make_app(services),
            host=host,
            port=port,
            limit_concurrency=_MOST_CONNECTIONS,
            server_header=False,
        )

"""Traces of HTTP requests; ``orchestration.tracing`` says when there are any."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from ingestion_pipeline.orchestration.tracing import (
    explain_missing,
    is_traced,
    open_tracer_provider,
)

if TYPE_CHECKING:
    from opentelemetry.trace import Span

# Asked every few seconds by machines.
_UNTRACED = "healthz,readyz,metrics"
_HOLD_QUERIES = ("http.url", "url.full", "url.query")


def trace_requests(app: FastAPI) -> None:
    """Give every request a span; nothing is done where traces are sent nowhere.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """
    if not is_traced():
        return
    try:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    except ModuleNotFoundError as error:
        raise explain_missing(error) from error
    FastAPIInstrumentor.instrument_app(
        app,
        server_request_hook=_remove_query,
        tracer_provider=open_tracer_provider(),
        excluded_urls=_UNTRACED,
        exclude_spans=["receive", "send"],
    )


def _remove_query(span: "Span", scope: Mapping[str, Any]) -> None:
    """Take out of a span what a query may hold that is secret."""
    query = scope.get("query_string")
    attributes: Mapping[str, Any] = getattr(span, "attributes", None) or {}
    for name in _HOLD_QUERIES:
        if query and name in attributes:
            path, _, _ = str(attributes[name]).partition("?")
            span.set_attribute(name, "" if name == "url.query" else path)

"""OpenTelemetry traces of runs and their ops, where ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set.

The other variables of OpenTelemetry hold, too; without this one its libraries are never imported.
https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

import dagster as dg

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.orchestration.partitions import PARTITION_TAG

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINT_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
_NAME_VARIABLE = "OTEL_SERVICE_NAME"
_LONGEST_FLUSH_MILLIS = 10_000


def is_traced() -> bool:
    """Whether traces are sent anywhere."""
    return bool(os.environ.get(ENDPOINT_VARIABLE))


@lru_cache(maxsize=1)
def open_tracer_provider() -> "TracerProvider":
    """Return the one of this process, which sends in the background.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise explain_missing(error) from error
    name = os.environ.get(_NAME_VARIABLE, "ingestion-pipeline")
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def explain_missing(error: ModuleNotFoundError) -> ConfigurationError:
    """Return what to do about a library of OpenTelemetry's that is not there."""
    return ConfigurationError(
        f"{ENDPOINT_VARIABLE} is set, and the Python module {error.name} is missing. Install it "
        "with: pip install 'ingestion_pipeline[otel]', or unset the variable."
    )


@contextmanager
def trace_run(run: dg.DagsterRun | None) -> Iterator[None]:
    """Hold the span of a run, and send it and those of its ops when it ends; none without a run."""
    if run is None or not is_traced():
        yield
        return
    attributes = _describe(run.run_id, run.tags.get(PARTITION_TAG))
    tracer = open_tracer_provider().get_tracer(__name__)
    try:
        with tracer.start_as_current_span(f"run {run.job_name}", attributes=attributes):
            yield
    finally:
        flush_traces()


@contextmanager
def trace_op(context: dg.OpExecutionContext) -> Iterator[None]:
    """Hold the span of one try of an op, within that of its run."""
    if not is_traced():
        yield
        return
    key = context.partition_key if context.has_partition_key else None
    tracer = open_tracer_provider().get_tracer(__name__)
    with tracer.start_as_current_span(
        f"op {context.op.name}", attributes=_describe(context.run_id, key)
    ):
        yield


def flush_traces() -> None:
    """Send what waits; whoever is ended right afterwards loses nothing, unless nobody answers."""
    if is_traced():
        open_tracer_provider().force_flush(_LONGEST_FLUSH_MILLIS)


def _describe(run_id: str, partition_key: str | None) -> dict[str, str]:
    named = {"ingestion.repository": partition_key} if partition_key else {}
    return {"ingestion.run_id": run_id, **named}

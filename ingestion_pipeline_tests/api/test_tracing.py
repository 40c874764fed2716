"""Traces of requests and of runs, as a receiver of OTLP over HTTP gets them."""

import gzip
import sys
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from ingestion_pipeline.api.app import make_app
from ingestion_pipeline.core.errors import ConfigurationError, RepositoryNotFoundError
from ingestion_pipeline.orchestration.tracing import (
    ENDPOINT_VARIABLE,
    open_tracer_provider,
    trace_run,
)
from ingestion_pipeline_tests.api.serving import serve
from ingestion_pipeline_tests.orchestration.dagster_runs import add_run
from ingestion_pipeline_tests.orchestration.world import KEY, World
from ingestion_pipeline_tests.servers.webhook_receiver import WebhookReceiver, answer

OPS = ["clone_repository", "parse_repository", "embed_repository", "upsert_points"]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookReceiver]:
    with WebhookReceiver(answer(200)) as opened:
        monkeypatch.setenv(ENDPOINT_VARIABLE, f"http://127.0.0.1:{opened.port}")
        open_tracer_provider.cache_clear()
        yield opened
        open_tracer_provider().shutdown()
        open_tracer_provider.cache_clear()


def read_spans(receiver: WebhookReceiver) -> list[Span]:
    """Return the spans that arrived, as they were ended."""
    spans: list[Span] = []
    for seen in receiver.seen:
        assert seen.path == "/v1/traces"
        is_packed = seen.headers.get("content-encoding") == "gzip"
        body = gzip.decompress(seen.body) if is_packed else seen.body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {item.key: item.value.string_value for item in resource.resource.attributes}
            assert names["service.name"] == "ingestion-pipeline"
            spans += [span for scope in resource.scope_spans for span in scope.spans]
    return spans


def read_attributes(span: Span) -> dict[str, str]:
    return {item.key: item.value.string_value for item in span.attributes}


def test_a_run_is_a_trace_with_a_span_for_each_op(
    receiver: WebhookReceiver, world: World, instance: dg.DagsterInstance
) -> None:
    result = world.sync(instance)
    assert result.success
    *ops, run = read_spans(receiver)
    assert [span.name for span in ops] == [f"op {name}" for name in OPS]
    assert run.name == "run sync_repository"
    for span in (run, *ops):
        assert read_attributes(span) == {
            "ingestion.run_id": result.run_id,
            "ingestion.repository": KEY,
        }
    assert {span.parent_span_id for span in ops} == {run.span_id}
    assert {span.trace_id for span in ops} == {run.trace_id}


def test_an_op_that_fails_says_why(
    receiver: WebhookReceiver, world: World, instance: dg.DagsterInstance
) -> None:
    world.host.refuse(KEY, RepositoryNotFoundError("GitHub has no octo/cat any more."))
    assert not world.sync(instance).success
    op, run = read_spans(receiver)
    assert (op.name, op.status.code) == ("op clone_repository", Status.STATUS_CODE_ERROR)
    assert "GitHub has no octo/cat any more." in op.status.message
    assert run.name == "run sync_repository"


def test_requests_have_spans_without_their_queries(
    receiver: WebhookReceiver, world: World, instance: dg.DagsterInstance
) -> None:
    with serve(world.services, instance) as client:
        client.get("/healthz")
        client.get("/api/v1/jobs/nothing?token=in-the-query")
    [span] = read_spans(receiver)
    assert span.name == "GET /api/v1/jobs/{job_id}"
    assert read_attributes(span)["http.url"].endswith("/api/v1/jobs/nothing")
    assert "in-the-query" not in str(span)


@pytest.fixture
def without_the_extra(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(ENDPOINT_VARIABLE, "http://127.0.0.1:4318")
    absent: Any = None
    monkeypatch.setitem(
        sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", absent
    )
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.fastapi", absent)
    open_tracer_provider.cache_clear()
    yield
    open_tracer_provider.cache_clear()


@pytest.mark.usefixtures("without_the_extra")
def test_a_missing_extra_is_named(world: World, instance: dg.DagsterInstance) -> None:
    advice = r"pip install 'ingestion_pipeline\[otel\]'"
    with pytest.raises(ConfigurationError, match=advice):
        make_app(world.services, instance)
    with pytest.raises(ConfigurationError, match=advice), trace_run(add_run(instance)):
        pytest.fail("not reached")


def test_without_an_endpoint_nothing_of_it_is_imported(
    world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    absent: Any = None
    for name in ("opentelemetry.sdk", "opentelemetry.instrumentation.fastapi"):
        monkeypatch.setitem(sys.modules, name, absent)
    make_app(world.services, instance)
    assert world.sync(instance).success

"""What the description promises, held against requests that schemathesis makes up of it.

The same ones every time. ``FUZZING_EXAMPLES=1000`` tries as many for each operation.

Its engine is used and not its plugin for pytest, which with pytest 9.2 gives all operations one
name, so that pytest-xdist runs one of them.
"""

import hashlib
import hmac
import os
import shutil
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
import schemathesis
from pydantic import SecretStr
from requests import PreparedRequest
from requests.auth import AuthBase
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from ingestion_pipeline.core.jobs import Job, JobStatus
from ingestion_pipeline.core.state import StateStore, SyncProgress
from ingestion_pipeline_tests.api.conftest import ROOT
from ingestion_pipeline_tests.api.serving import serve
from ingestion_pipeline_tests.api.settings import configure
from ingestion_pipeline_tests.orchestration.world import KEY, World
from ingestion_pipeline_tests.state.samples import NOON, make_source, make_waiting

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("FUZZING_EXAMPLES", "6"))
OPERATIONS = 22
TOKEN = "let-me-in"
SECRET = "signs-webhooks"
# Names that lead somewhere; made-up ones never do.
KNOWN = {
    "repo_id": [KEY, "1"],
    "repo_url": [KEY, f"github.com/{KEY}"],
    "job_id": ["job-1", "job-2"],
    "run_id": ["run-1"],
    "delivery_id": ["msg_1", "msg_2"],
}


def spare(name: str, *checks: str) -> dict[str, Any]:
    """Leave checks out for one operation."""
    return {"include-name": name, "checks": {check: {"enabled": False} for check in checks}}


CONFIG: dict[str, Any] = {
    "seed": 1,
    "suppress-health-check": ["all"],
    "generation": {"max-examples": EXAMPLES, "deterministic": True, "database": "none"},
    "dictionaries": {name: {"values": values} for name, values in KNOWN.items()},
    "parameters": {f"path.{name}": {"dictionary": name, "probability": 0.5} for name in KNOWN},
    "phases": {"coverage": {"generate-duplicate-query-parameters": True}},
    # What is well formed may name a repository that is not there, or options that contradict.
    "checks": {"positive_data_acceptance": {"enabled": False}},
    "operations": [
        # Nobody here is Dagster's daemon. Who asks gives no token, and to change something there
        # is refused before all else.
        spare("GET /readyz", "not_a_server_error", "unsupported_method"),
        spare("GET /healthz", "unsupported_method"),
        # Of an event of no concern nothing is read.
        spare("POST /api/v1/webhooks/github", "negative_data_rejection"),
    ],
}
WITHOUT_TOKEN = {
    **CONFIG,
    "generation": {**CONFIG["generation"], "with-security-parameters": False},
    "checks": {**CONFIG["checks"], "ignored_auth": {"enabled": False}},
}
WITH_TOKEN = {**CONFIG, "auth": {"openapi": {"token": {"bearer": TOKEN}}}}


class Signature(AuthBase):
    """Signs a body as GitHub does."""

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        body = r.body or b""
        assert isinstance(body, str | bytes)
        content = body.encode() if isinstance(body, str) else body
        digest = hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()
        r.headers["X-Hub-Signature-256"] = f"sha256={digest}"
        return r


@pytest.fixture
def world(world: World, instance: dg.DagsterInstance) -> World:
    """Everything has something to show."""
    shutil.copy(ROOT / "workspace.yaml", world.folder)
    configure(world, github_webhook_secret=SecretStr(SECRET))
    assert world.sync(instance).success
    fill(world.state)
    return world


def fill(state: StateStore) -> None:
    """Add jobs, progress and webhooks under the known names."""
    for number in (1, 2):
        job = Job(f"job-{number}", make_source(), KEY, "{}", "a test", NOON)
        state.jobs.accept(job, 10)
        state.jobs.record_ended(job.job_id, JobStatus.FAILED, NOON, "The disk is full.")
        state.deliveries.add_delivery(make_waiting(f"msg_{number}"))
    state.deliveries.record_failure("msg_1", NOON, "It answered 500.", None)
    state.set_progress(SyncProgress("run-1", KEY, "parse", 7, 90, "src/é.py", NOON))


def find_failures(schema: schemathesis.BaseSchema) -> Iterator[str]:
    """Yield what does not hold, each with the request that shows it."""
    tried = set()
    for event in from_schema(schema).execute():
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            yield f"{event.label}: {event.value}"
        if isinstance(event, events.ScenarioFinished):
            tried.update(case.value.operation.label for case in event.recorder.cases.values())
            yield from describe_failures(event)
    assert len(tried) >= OPERATIONS


def describe_failures(event: events.ScenarioFinished) -> Iterator[str]:
    for checks in event.recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info
                yield f"{event.label}: {failure.failure}\n{failure.code_sample}"


def load(client_url: str, config: dict[str, Any]) -> schemathesis.BaseSchema:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    parsed = SchemathesisConfig.from_dict(config)
    return schemathesis.openapi.from_url(
        f"{client_url}/openapi.json", config=parsed, headers=headers
    )


def test_without_a_token_the_description_holds(world: World, instance: dg.DagsterInstance) -> None:
    with serve(world.services, instance) as client:
        schema = load(str(client.base_url), WITHOUT_TOKEN)
        schema.auth.set_from_requests(Signature())
        assert list(find_failures(schema)) == []


def test_with_a_token_the_description_holds(world: World, instance: dg.DagsterInstance) -> None:
    configure(world, admin_token=SecretStr(TOKEN), read_token=SecretStr("only-read"))
    with serve(world.services, instance) as client:
        assert list(find_failures(load(str(client.base_url), WITH_TOKEN))) == []

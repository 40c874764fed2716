"""The door over real HTTP: webhooks, progress, health."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import dagster as dg
import httpx
import pytest
from pydantic import SecretStr

from ingestion_pipeline.core.clock import format_utc
from ingestion_pipeline.core.errors import TransientError
from ingestion_pipeline.core.repositories import SourceId
from ingestion_pipeline.core.state import SyncProgress
from ingestion_pipeline.orchestration.sensors import run_tick
from ingestion_pipeline.tracking.track import track_repository
from ingestion_pipeline_tests.api.serving import serve
from ingestion_pipeline_tests.fakes.code_host import make_hosted
from ingestion_pipeline_tests.fakes.state_store import FakeStateStore
from ingestion_pipeline_tests.orchestration.world import KEY, World

# GitHub's own example: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
SECRET = "It's a Secret to Everybody"
EXAMPLE_BODY = b"Hello, World!"
EXAMPLE_SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
PATH = "/api/v1/webhooks/github"
SOURCE = make_hosted(KEY).source


def set_secret(world: World, secret: str | None) -> None:
    value = SecretStr(secret) if secret is not None else None
    world.services.settings = world.services.settings.model_copy(
        update={"github_webhook_secret": value}
    )


@pytest.fixture
def quiet(world: World) -> World:
    """The repository is tracked, and its bump for that is answered."""
    answered = world.state.list_check_schedules()
    world.state.set_check_schedules(answered)
    set_secret(world, SECRET)
    return world


@pytest.fixture
def client(quiet: World, instance: dg.DagsterInstance) -> Iterator[httpx.Client]:
    with serve(quiet.services, instance) as opened:
        yield opened


def sign(body: bytes, secret: str = SECRET) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def make_payload(number: int = 1, **more: Any) -> bytes:
    return json.dumps({"ref": "refs/heads/main", "repository": {"id": number}, **more}).encode()


def deliver(
    client: httpx.Client,
    body: bytes,
    event: str = "push",
    *,
    signature: str | None = None,
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Send what GitHub sends; signed rightly unless a signature is given, "" for none."""
    sent = {"X-GitHub-Event": event, "Content-Type": content_type, **(headers or {})}
    chosen = sign(body) if signature is None else signature
    if chosen:
        sent["X-Hub-Signature-256"] = chosen
    return client.post(PATH, content=body, headers=sent)


def is_bumped(world: World, source: SourceId = SOURCE) -> bool:
    schedule = world.state.list_check_schedules().get(source)
    return schedule is not None and schedule.bumped_at is not None


def test_a_push_bumps_its_repository(client: httpx.Client, quiet: World) -> None:
    assert not is_bumped(quiet)
    assert deliver(client, make_payload()).status_code == 202
    assert quiet.state.list_check_schedules()[SOURCE].bumped_at == quiet.clock.now()


def test_after_a_bump_the_very_next_tick_asks_about_it_first(
    client: httpx.Client, quiet: World, instance: dg.DagsterInstance
) -> None:
    run_tick(quiet.services, instance, None)
    for number, name in ((2, "octo/aaa"), (3, "octo/zzz")):
        quiet.host.add(make_hosted(name, number))
        track_repository(name, None, quiet.services.hosts, quiet.state, quiet.clock)
    run_tick(quiet.services, instance, None)
    quiet.clock.advance(60)
    assert deliver(client, make_payload(3)).status_code == 202

    result = run_tick(quiet.services, instance, None)

    assert quiet.host.checked[-1][0] == "octo/zzz"
    assert (result.run_requests or [])[0].partition_key == "octo/zzz"
    assert not is_bumped(quiet, SourceId(SOURCE.kind, "3"))


@pytest.mark.parametrize("event", ["push", "repository"])
def test_a_form_is_as_good_as_json(client: httpx.Client, quiet: World, event: str) -> None:
    body = urlencode({"payload": make_payload().decode()}).encode()
    form = "application/x-www-form-urlencoded; charset=utf-8"
    assert deliver(client, body, event, content_type=form).status_code == 202
    assert is_bumped(quiet)


def test_a_delivery_that_comes_again_is_known(client: httpx.Client, quiet: World) -> None:
    for number, status in ((1, 202), (1, 200), (2, 202)):
        headers = {"X-GitHub-Delivery": f"delivery-{number}"}
        assert deliver(client, make_payload(), headers=headers).status_code == status
    assert is_bumped(quiet)


def test_a_ping_is_answered(client: httpx.Client, quiet: World) -> None:
    answer = deliver(client, b'{"zen": "Keep it logically awesome."}', "ping")
    assert (answer.status_code, answer.json()) == (200, {"detail": "pong"})
    assert not is_bumped(quiet)


def test_github_s_own_example_is_accepted(client: httpx.Client) -> None:
    answer = deliver(client, EXAMPLE_BODY, "ping", signature=EXAMPLE_SIGNATURE)
    assert answer.status_code == 200
    assert deliver(client, EXAMPLE_BODY, "push", signature=EXAMPLE_SIGNATURE).status_code == 400


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha256=",
        EXAMPLE_SIGNATURE,
        sign(make_payload()).upper(),
        sign(make_payload()).removeprefix("sha256="),
        sign(make_payload(), "another secret"),
        f"sha1={hmac.new(SECRET.encode(), make_payload(), hashlib.sha1).hexdigest()}",
    ],
)
def test_what_is_not_signed_learns_nothing(
    client: httpx.Client, quiet: World, signature: str
) -> None:
    answers = [
        deliver(client, make_payload(number), event, signature=signature or "")
        for number in (1, 999)
        for event in ("push", "ping", "issues")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert not is_bumped(quiet)


def test_a_signature_in_bytes_of_any_kind_is_refused(client: httpx.Client) -> None:
    headers = {"X-GitHub-Event": "push", "X-Hub-Signature-256": b"sha256=\xff\xe9"}
    answer = client.post(PATH, content=make_payload(), headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"{}",
        b'{"repository": 1}',
        b'{"repository": {}}',
        b'{"repository": {"id": "1"}}',
        b'{"repository": {"id": true}}',
        b'{"repository": {"id": 1.5}}',
        b'{"repository": {"id": -1}}',
        b"[" * 200_000,
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_a_payload_that_is_none_is_refused(
    client: httpx.Client, quiet: World, body: bytes, content_type: str
) -> None:
    assert deliver(client, body, content_type=content_type).status_code == 400
    assert not is_bumped(quiet)


def test_events_and_repositories_of_no_concern_are_ignored(
    client: httpx.Client, quiet: World
) -> None:
    assert deliver(client, make_payload(), "issues").status_code == 200
    assert deliver(client, make_payload(), "").status_code == 200
    assert deliver(client, make_payload(999)).status_code == 200
    assert list(quiet.state.list_check_schedules()) == [SOURCE]
    quiet.state.untrack_repository(KEY, quiet.clock.now())
    assert deliver(client, make_payload()).status_code == 200
    assert not is_bumped(quiet)


def test_a_payload_over_the_cap_is_refused(client: httpx.Client, quiet: World) -> None:
    largest = make_payload(padding="x" * (25 * 1024 * 1024 - 100))
    assert deliver(client, largest).status_code == 202
    over = bytes(25 * 1024 * 1024 + 1)
    assert deliver(client, over, signature="").status_code == 413
    # Without a Content-Length, in chunks.
    pieces = (bytes(1024 * 1024) for _ in range(26))
    assert client.post(PATH, content=pieces).status_code == 413


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_webhooks_are_off(
    quiet: World, instance: dg.DagsterInstance, secret: str | None
) -> None:
    set_secret(quiet, secret)
    with serve(quiet.services, instance) as client:
        answer = deliver(client, make_payload(), signature=sign(make_payload(), secret or ""))
        assert answer.status_code == 503
        assert "INGESTION_GITHUB_WEBHOOK_SECRET" in answer.json()["detail"]
        assert client.get("/healthz").json() == {"status": "ok"}
    assert not is_bumped(quiet)


def test_the_progress_of_a_run(client: httpx.Client, quiet: World) -> None:
    now = quiet.clock.now()
    progress = SyncProgress("run-1", KEY, "parse", 7, 90, "src/é.py", now, 7)
    assert client.get("/api/v1/runs/run-1/progress").status_code == 404

    quiet.state.set_progress(progress)

    assert client.get("/api/v1/runs/run-1/progress").json() == {
        "run_id": "run-1",
        "partition_key": KEY,
        "stage": "parse",
        "done": 7,
        "total": 90,
        "current": "src/é.py",
        "updated_at": format_utc(now),
        "percentage": 7,
    }
    quiet.state.remove_progress("run-1")
    assert client.get("/api/v1/runs/run-1/progress").status_code == 404
    assert client.get("/api/v1/runs/..%2F..%2Fetc/progress").status_code == 404


class BusyStateStore(FakeStateStore):
    """Its database is locked."""

    def find_progress(self, run_id: str) -> SyncProgress | None:
        raise TransientError("The state database at db.internal is busy.")


def test_a_passing_trouble_names_no_names(quiet: World, instance: dg.DagsterInstance) -> None:
    quiet.services.state = BusyStateStore()
    with serve(quiet.services, instance) as client:
        answer = client.get("/api/v1/runs/run-1/progress")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"
    assert "db.internal" not in answer.text


def test_only_what_is_there_answers(client: httpx.Client) -> None:
    for path, methods in (
        (PATH, "POST"),
        ("/healthz", "GET"),
        ("/api/v1/repositories", "GET, POST"),
        (f"/api/v1/repositories/{KEY}", "GET, DELETE"),
    ):
        refused = client.put(path)
        assert (refused.status_code, refused.headers["Allow"]) == (405, methods)
    assert client.get("/docs").status_code == 404

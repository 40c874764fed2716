"""Who may do what, before anything is read."""

import socket
from typing import Any

import dagster as dg
import httpx
import pytest
from pydantic import SecretStr

from ingestion_pipeline.api.app import make_app
from ingestion_pipeline.api.guard import FAILURE_PAUSE_SECONDS, MAX_BODY_BYTES
from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline_tests.api.serving import serve
from ingestion_pipeline_tests.api.settings import configure
from ingestion_pipeline_tests.orchestration.world import KEY, World

PATH = f"/api/repositories/{KEY}/sync"
CHANGING = [
    ("POST", PATH),
    ("POST", "/api/v1/ingest"),
    ("POST", "/api/v1/sync"),
    ("POST", "/api/v1/ingestion/ingest/octo/cat"),
    ("POST", "/api/v1/jobs/x/cancel"),
    ("POST", "/api/v1/repositories"),
    ("DELETE", f"/api/v1/repositories/{KEY}"),
    ("PATCH", "/no/such/path"),
]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"admin_token": " , "}, "INGESTION_ADMIN_TOKEN"),
        ({"admin_token": "a", "read_token": ",b"}, "INGESTION_READ_TOKEN"),
        ({"read_token": "b"}, "INGESTION_ADMIN_TOKEN"),
    ],
)
def test_a_token_that_is_none_opens_nothing(
    world: World, instance: dg.DagsterInstance, values: dict[str, str], named: str
) -> None:
    configure(world, **{name: SecretStr(value) for name, value in values.items()})
    with pytest.raises(ConfigurationError, match=named):
        make_app(world.services, instance)


def test_only_who_has_a_token_changes_anything(
    world: World, instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    configure(world, admin_token=SecretStr("old-token, neü-token"))
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    with serve(world.services, instance, pause) as client:
        for given in ("", "Bearer", "Bearer wrong-token", "Basic old-token", "old-token"):
            answer = client.post(PATH, headers={"Authorization": given})
            assert answer.status_code == 401
            assert answer.json()["detail"] == "Invalid or missing authentication token"
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert paused == [FAILURE_PAUSE_SECONDS] * 4  # who gave none did not guess
        assert [client.request(*asked).status_code for asked in CHANGING] == [401] * len(CHANGING)
        paused.clear()
        for token in ("old-token", "neü-token"):
            authorization = f"Bearer {token}".encode()
            headers = {b"Authorization": authorization, b"Idempotency-Key": b"k"}
            assert client.post(PATH, headers=headers).status_code == 202
        assert client.get("/api/v1/repositories").status_code == 200
        assert paused == []
    assert "had no valid token" in caplog.text
    assert "wrong-token" not in caplog.text


def test_a_token_for_reading_reads(world: World, instance: dg.DagsterInstance) -> None:
    configure(world, admin_token=SecretStr("all"), read_token=SecretStr("some"))
    with serve(world.services, instance) as client:
        for path in ("/api/v1/repositories", "/api/v1/sync/status", "/openapi.json"):
            assert client.get(path).status_code == 401
            for token in ("some", "all"):
                headers = {"Authorization": f"Bearer {token}"}
                assert client.get(path, headers=headers).status_code == 200
                assert client.get(path, auth=("anybody", token)).status_code == 200
            for given in ("Basic !", "Basic c29tZQ==", "Bearer other", "Bearer"):
                assert client.get(path, headers={"Authorization": given}).status_code == 401
        assert client.get("/healthz").status_code == 200
        refused = client.post(PATH, headers={"Authorization": "Bearer some"})
        assert refused.status_code == 403
        assert client.post(PATH, auth=("anybody", "all")).status_code == 401
        assert client.post(PATH, headers={"Authorization": "Bearer all"}).status_code == 202


@pytest.mark.parametrize("token", [None, "t"])
def test_a_body_has_a_limit(world: World, instance: dg.DagsterInstance, token: str | None) -> None:
    configure(world, admin_token=SecretStr(token) if token else None)
    with serve(world.services, instance) as client:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        large = b"{" + b" " * MAX_BODY_BYTES + b"}"
        assert client.post(PATH, content=large, headers=headers).status_code == 413
        assert client.post(PATH, content=iter([large]), headers=headers).status_code == 413
        largest = b"{" + b" " * (MAX_BODY_BYTES - 2) + b"}"
        assert client.post(PATH, content=iter([largest]), headers=headers).status_code == 202


def test_nothing_of_a_body_is_awaited_without_a_token(
    world: World, instance: dg.DagsterInstance
) -> None:
    configure(world, admin_token=SecretStr("t"))
    with serve(world.services, instance) as client:
        address = (client.base_url.host, client.base_url.port or 0)
        with socket.create_connection(address, timeout=30) as connection:
            head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost:8080", "Origin": "http://localhost:8080"}, 202),
        ({"Host": "[::1]:8080"}, 202),
        ({"Host": ""}, 403),
        ({"Host": "[::1"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Host": "evil.example@127.0.0.1"}, 202),  # no browser sends it
    ],
)
def test_pages_of_other_sites_do_nothing_here(
    client: httpx.Client, headers: dict[str, Any], status: int
) -> None:
    assert client.post(PATH, headers=headers).status_code == status
    expected = 200 if status == 202 else 403
    assert client.get("/api/v1/repositories", headers=headers).status_code == expected


@pytest.mark.parametrize("host", ["x/healthz?", "x/api/v1/webhooks/github?", "x/healthz#"])
def test_a_host_is_no_path(world: World, instance: dg.DagsterInstance, host: str) -> None:
    configure(world, admin_token=SecretStr("all"), read_token=SecretStr("some"))
    with serve(world.services, instance) as client:
        assert client.post(PATH, headers={"Host": host}).status_code == 401
        assert client.get("/api/v1/repositories", headers={"Host": host}).status_code == 401


def test_with_a_token_the_name_does_not_matter(world: World, instance: dg.DagsterInstance) -> None:
    configure(world, admin_token=SecretStr("t"))
    with serve(world.services, instance) as client:
        headers = {"Host": "pipeline.example", "Authorization": "Bearer t"}
        assert client.post(PATH, headers=headers).status_code == 202

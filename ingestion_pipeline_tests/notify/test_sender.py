"""One try over real connections: what is sent, what is followed, and when it is given up."""

import itertools
import json
import socket
import ssl
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path

import pytest
import trustme

from ingestion_pipeline.core.errors import WebhookFailedError, WebhookUrlError
from ingestion_pipeline.notify.addresses import Address
from ingestion_pipeline.notify.sender import MAX_ANSWER_BYTES, Answer
from ingestion_pipeline_tests.fakes.clock import START
from ingestion_pipeline_tests.notify.samples import SECRET, make_completed, make_sender
from ingestion_pipeline_tests.notify.test_signing import is_signed
from ingestion_pipeline_tests.servers.webhook_receiver import (
    Behaviour,
    WebhookReceiver,
    answer,
    hang_after,
    repeat,
    say,
)

LOOPBACK_ADDRESS = IPv4Address("127.0.0.1")
# Long enough for loopback on a busy machine; only what hangs on purpose ever waits so long.
SHORT_SECONDS = 0.3


class FakeResolver:
    """Answers with one list after another, the last one for ever; ``asked`` shows for what."""

    def __init__(self, *answers: Sequence[Address]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def resolve(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append(f"{host}:{port}")
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def test_the_body_arrives_byte_for_byte_and_signed(receiver: WebhookReceiver) -> None:
    delivery = make_completed(f"{receiver.url}?key=a%20b")

    assert make_sender().send(delivery, START) == Answer(204)

    [seen] = receiver.seen
    assert seen.path == "/hook?key=a%20b"
    assert seen.body == delivery.body.encode()
    assert json.loads(seen.body) == {
        "type": "sync.completed",
        "timestamp": "2026-01-31T12:00:00Z",
        "data": {"files": 3, "name": "é"},
    }
    assert is_signed(seen.headers, seen.body, SECRET)
    assert seen.headers["webhook-id"] == delivery.delivery_id
    assert seen.headers["webhook-timestamp"] == str(int(START.timestamp()))
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_a_url_without_a_path_is_asked_for_the_root(receiver: WebhookReceiver) -> None:
    for url in (f"http://127.0.0.1:{receiver.port}", f"http://127.0.0.1:{receiver.port}?a=b"):
        make_sender().send(make_completed(url), START)
    assert [seen.path for seen in receiver.seen] == ["/", "/?a=b"]


@pytest.mark.parametrize("status", [200, 302, 404, 410, 500])
def test_the_status_is_the_answer(receiver: WebhookReceiver, status: int) -> None:
    receiver.behaviour = answer(status, b"words that nobody reads")
    assert make_sender().send(make_completed(receiver.url), START) == Answer(status)


def test_a_redirect_is_not_followed(receiver: WebhookReceiver) -> None:
    with WebhookReceiver() as other:
        receiver.behaviour = answer(307, location=other.url)
        assert make_sender().send(make_completed(receiver.url), START) == Answer(307)
        assert other.seen == []
    assert len(receiver.seen) == 1


def test_retry_after_is_handed_on(receiver: WebhookReceiver) -> None:
    receiver.behaviour = answer(503, retry_after="120")
    assert make_sender().send(make_completed(receiver.url), START) == Answer(503, "120")


def test_proxies_of_the_environment_are_not_used(
    receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WebhookReceiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        make_sender().send(make_completed(receiver.url), START)
        assert proxy.seen == []
    assert len(receiver.seen) == 1


# -- answers that do not end


def test_a_receiver_that_hangs_is_given_up(receiver: WebhookReceiver) -> None:
    receiver.behaviour = hang_after()
    with pytest.raises(WebhookFailedError, match=r"127\.0\.0\.1 did not answer within 0\.3 s"):
        make_sender(timeout_seconds=SHORT_SECONDS).send(make_completed(receiver.url), START)


def test_a_head_that_drips_is_given_up(receiver: WebhookReceiver) -> None:
    """Each byte comes at once, yet each look at the time finds it a second later."""
    receiver.behaviour = repeat(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Wait\r\n\r\n")
    ticks = itertools.count()
    sender = make_sender(timeout_seconds=20, monotonic=lambda: float(next(ticks)))

    with pytest.raises(WebhookFailedError, match="within 20 s"):
        sender.send(make_completed(receiver.url), START)

    assert next(ticks) == 21


def test_a_body_without_an_end_is_cut(receiver: WebhookReceiver) -> None:
    receiver.behaviour = repeat(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096)
    assert make_sender().send(make_completed(receiver.url), START) == Answer(200)


def test_no_more_of_a_body_is_read_than_has_to_be(receiver: WebhookReceiver) -> None:
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    enough = MAX_ANSWER_BYTES // 0x4000
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    receiver.behaviour = hang_after(head + chunk * enough)
    assert make_sender().send(make_completed(receiver.url), START) == Answer(200)


@pytest.mark.parametrize(
    "behaviour",
    [
        say(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\ncut off"),
        say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense"),
        hang_after(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nand then nothing"),
    ],
)
def test_a_status_counts_whatever_becomes_of_the_body(
    receiver: WebhookReceiver, behaviour: Behaviour
) -> None:
    receiver.behaviour = behaviour
    sender = make_sender(timeout_seconds=SHORT_SECONDS)
    assert sender.send(make_completed(receiver.url), START) == Answer(200)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 20",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x00\x00",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 40_000,
    ],
)
def test_what_is_no_http_is_a_failure(receiver: WebhookReceiver, data: bytes) -> None:
    receiver.behaviour = say(data)
    with pytest.raises(WebhookFailedError, match="could not be reached over HTTP") as failed:
        make_sender().send(make_completed(f"{receiver.url}?key=sesame"), START)
    assert "sesame" not in str(failed.value)
    assert len(str(failed.value)) < 400


def test_nobody_listening_is_a_failure(free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}/sesame"
    with pytest.raises(WebhookFailedError, match="Connection refused") as failed:
        make_sender().send(make_completed(url), START)
    assert "sesame" not in str(failed.value)


@pytest.fixture
def free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- whom a name leads to


def test_an_inner_address_is_never_dialled(receiver: WebhookReceiver) -> None:
    sender = make_sender(allowed=(), resolve=FakeResolver([LOOPBACK_ADDRESS]).resolve)

    with pytest.raises(WebhookUrlError, match=r"hooks\.example is not at a public address"):
        sender.send(make_completed(f"http://hooks.example:{receiver.port}/"), START)
    with pytest.raises(WebhookUrlError, match="ALLOWED_NETWORKS"):
        sender.send(make_completed(receiver.url), START)

    assert receiver.seen == []


def test_the_address_that_was_looked_at_is_dialled(receiver: WebhookReceiver) -> None:
    """A name that points inward the second time it is asked for gains nothing."""
    resolver = FakeResolver([LOOPBACK_ADDRESS], [IPv4Address("10.0.0.1")])
    sender = make_sender(allowed=[IPv4Network("127.0.0.1/32")], resolve=resolver.resolve)
    url = f"http://hooks.example:{receiver.port}/"

    assert sender.send(make_completed(url), START) == Answer(204)

    assert resolver.asked == [f"hooks.example:{receiver.port}"]
    assert receiver.seen[0].headers["host"] == f"hooks.example:{receiver.port}"


def test_a_name_that_turns_inward_between_two_tries_is_refused(receiver: WebhookReceiver) -> None:
    resolver = FakeResolver([LOOPBACK_ADDRESS], [LOOPBACK_ADDRESS, IPv4Address("10.0.0.1")])
    sender = make_sender(resolve=resolver.resolve)
    delivery = make_completed(f"http://hooks.example:{receiver.port}/")

    assert sender.send(delivery, START) == Answer(204)
    with pytest.raises(WebhookUrlError):
        sender.send(delivery, START)

    assert len(receiver.seen) == 1


def test_the_next_address_is_dialled_where_the_first_refuses(receiver: WebhookReceiver) -> None:
    # Nothing listens on the first: the receiver is bound to 127.0.0.1 alone.
    addresses = [IPv4Address("127.0.0.9"), LOOPBACK_ADDRESS]
    sender = make_sender(resolve=FakeResolver(addresses).resolve)
    url = f"http://hooks.example:{receiver.port}/"
    assert sender.send(make_completed(url), START) == Answer(204)


def test_a_name_that_does_not_resolve_is_a_failure() -> None:
    def fail(_host: str, _port: int) -> Sequence[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for resolve, says in ((fail, "not known"), (FakeResolver([]).resolve, "no address")):
        with pytest.raises(WebhookFailedError, match=says):
            make_sender(resolve=resolve).send(make_completed("https://hooks.example/"), START)


def test_nothing_is_dialled_once_a_slow_resolver_used_up_the_time(
    receiver: WebhookReceiver,
) -> None:
    now = [0.0]

    def resolve_slowly(_host: str, _port: int) -> Sequence[Address]:
        now[0] += 11
        return [LOOPBACK_ADDRESS]

    sender = make_sender(resolve=resolve_slowly, monotonic=lambda: now[0])
    with pytest.raises(WebhookFailedError, match="within 10 s"):
        sender.send(make_completed(receiver.url), START)
    assert receiver.seen == []


# -- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def names() -> list[str | None]:
    """The server names that clients asked for."""
    return []


@pytest.fixture
def tls_receiver(authority: trustme.CA, names: list[str | None]) -> Iterator[WebhookReceiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example").configure_cert(context)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with WebhookReceiver(tls=context) as opened:
        yield opened


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_tls_is_asked_for_the_name_and_not_for_the_address(
    tls_receiver: WebhookReceiver, trusting: ssl.SSLContext, names: list[str | None]
) -> None:
    sender = make_sender(resolve=FakeResolver([LOOPBACK_ADDRESS]).resolve, ssl_context=trusting)
    url = f"https://hooks.example:{tls_receiver.port}/hook"

    assert sender.send(make_completed(url), START) == Answer(204)

    assert names == ["hooks.example"]
    assert tls_receiver.seen[0].headers["host"] == f"hooks.example:{tls_receiver.port}"


def test_another_name_than_the_certificates_is_refused(
    tls_receiver: WebhookReceiver, trusting: ssl.SSLContext
) -> None:
    sender = make_sender(resolve=FakeResolver([LOOPBACK_ADDRESS]).resolve, ssl_context=trusting)
    with pytest.raises(WebhookFailedError, match="Hostname mismatch"):
        sender.send(make_completed(f"https://other.example:{tls_receiver.port}/"), START)
    assert tls_receiver.seen == []


def test_an_authority_that_is_not_trusted_is_refused_and_ours_can_be_named(
    tls_receiver: WebhookReceiver,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve = FakeResolver([LOOPBACK_ADDRESS]).resolve
    delivery = make_completed(f"https://hooks.example:{tls_receiver.port}/")
    with pytest.raises(WebhookFailedError, match="certificate verify failed"):
        make_sender(resolve=resolve).send(delivery, START)

    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    assert make_sender(resolve=resolve).send(delivery, START) == Answer(204)


def test_a_handshake_that_hangs_is_given_up() -> None:
    sender = make_sender(timeout_seconds=SHORT_SECONDS)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(WebhookFailedError, match="within"):
            sender.send(make_completed(f"https://127.0.0.1:{port}/"), START)


def test_ipv6_literals_are_dialled_as_they_stand() -> None:
    resolver = FakeResolver([IPv6Address("fd00::1")])
    with pytest.raises(WebhookUrlError):
        make_sender(resolve=resolver.resolve).send(
            make_completed("http://[2606:2800:220:1::1]:8080/"), START
        )
    assert resolver.asked == ["2606:2800:220:1::1:8080"]

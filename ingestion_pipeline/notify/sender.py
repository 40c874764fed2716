"""One try: a signed POST, and what the receiver answered."""

import contextlib
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import httpcore
import httpx

from ingestion_pipeline.core.deliveries import Delivery
from ingestion_pipeline.core.errors import WebhookFailedError
from ingestion_pipeline.notify.addresses import Network, Resolve, check_webhook_url, resolve_host
from ingestion_pipeline.notify.connection import Deadline, VettedBackend
from ingestion_pipeline.notify.signing import WebhookSigner

TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said.

    Args:
        status: HTTP status.
        retry_after: The header as it stands, "" for none.
    """

    status: int
    retry_after: str = ""


class WebhookSender:
    """Sends webhooks; safe to share between threads.

    Args:
        signer: Signs each try.
        allowed: Networks that may be reached though they are not public.
        timeout_seconds: Of a whole try, from the name to the last byte of the answer.
        resolve: Finds a host's addresses.
        ssl_context: Whom TLS trusts; None for the usual authorities, or ``SSL_CERT_FILE``'s.
        monotonic: Tells seconds for the time limit.
    """

    def __init__(
        self,
        signer: WebhookSigner,
        allowed: Sequence[Network] = (),
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        resolve: Resolve = resolve_host,
        ssl_context: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._signer = signer
        self._allowed = tuple(allowed)
        self._timeout_seconds = timeout_seconds
        self._resolve = resolve
        self._ssl_context = ssl_context or httpx.create_ssl_context()
        self._monotonic = monotonic

    def send(self, delivery: Delivery, at: datetime) -> Answer:
        """POST the body once, over a connection of its own; redirects are not followed.

        Args:
            delivery: What and where to.
            at: The time that is signed.

        Raises:
            WebhookUrlError: The URL may not be reached, or no more.
            WebhookFailedError: No whole answer's head arrived in time. The message holds no more of
                the URL than its host.
        """
        check_webhook_url(delivery.url, self._allowed)
        host = urlsplit(delivery.url).hostname
        try:
            return self._post(delivery, at)
        except httpcore.TimeoutException:
            raise WebhookFailedError(
                f"{host} did not answer within {self._timeout_seconds:g} s."
            ) from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            reason = str(error)[:_LONGEST_REASON] or type(error).__name__
            raise WebhookFailedError(f"{host} could not be reached over HTTP: {reason}") from None

    def _post(self, delivery: Delivery, at: datetime) -> Answer:
        parts = urlsplit(delivery.url)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        url = httpcore.URL(
            scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=target
        )
        headers = [
            ("host", parts.netloc),
            ("user-agent", "ingestion-pipeline"),
            ("content-type", "application/json"),
            ("connection", "close"),
            *self._signer.sign(delivery.delivery_id, at, delivery.body).items(),
        ]
        deadline = Deadline(self._timeout_seconds, self._monotonic)
        backend = VettedBackend(self._allowed, self._resolve, deadline)
        with (
            httpcore.HTTPConnection(url.origin, self._ssl_context, network_backend=backend) as one,
            one.stream("POST", url, headers=headers, content=delivery.body.encode()) as response,
        ):
            found = [value for name, value in response.headers if name.lower() == b"retry-after"]
            answer = Answer(response.status, found[0].decode("latin-1") if found else "")
            _read_rest(response)
            return answer


def _read_rest(response: httpcore.Response) -> None:
    """Read the answer's body, so that a receiver may end it in peace, and throw it away.

    The status has said what there is to say: a body that is too long, too slow or cut off changes
    nothing about it.
    """
    passing = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
    size_bytes = 0
    with contextlib.suppress(*passing):
        for chunk in response.iter_stream():
            size_bytes += len(chunk)
            if size_bytes >= MAX_ANSWER_BYTES:
                return

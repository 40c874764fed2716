"""Which URLs git may be pointed at."""

import ipaddress
import re
from collections.abc import Collection
from pathlib import PurePosixPath
from urllib.parse import SplitResult, urlsplit

from ingestion_pipeline.core.errors import HostNotAllowedError

# Nothing that curl and urlsplit could read in two ways: no backslash, blank, control character,
# query, fragment, or host in percent or Unicode form.
_PLAIN_URL = re.compile(r"https?://[\x21-\x7e]+", re.IGNORECASE)
_UNCLEAR = re.compile(r"[\\?#<>\"`{}|^]")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]+")


def check_allowed_url(
    url: str, allowed_hosts: Collection[str], *, allow_local: bool = False
) -> None:
    """Pass when git may fetch from ``url``.

    Args:
        url: A clone URL, or an absolute path where ``allow_local``.
        allowed_hosts: ``host`` (any port), ``host:port``, or either with ``http://`` in front to
            allow it without TLS. Loopback hosts on the list may always be reached without TLS.
        allow_local: Whether repositories of this machine may be read.

    Raises:
        HostNotAllowedError: Anything else. Credentials in a URL are never repeated in the message.
    """
    if PurePosixPath(url).is_absolute():
        _check_path(url, allow_local)
        return
    parts, port = _split_url(url)
    host = parts.hostname or ""
    names = {_bracket(host), f"{_bracket(host)}:{port}"}
    entries = {entry.strip().lower().rstrip("/") for entry in allowed_hosts}
    if not names & {re.sub(r"^https?://", "", entry) for entry in entries}:
        raise HostNotAllowedError(
            f"{host} is not a host that repositories may come from. Add it to "
            f"INGESTION_ALLOWED_HOSTS (now: {', '.join(sorted(allowed_hosts)) or 'none'})."
        )
    plain_allowed = {f"http://{name}" for name in names} & entries
    if parts.scheme == "http" and not plain_allowed and not is_loopback(host):
        raise HostNotAllowedError(
            f"http://{host} would send code and tokens unencrypted. Use https, or add "
            f"http://{host} to INGESTION_ALLOWED_HOSTS."
        )


def is_loopback(host: str) -> bool:
    """Return whether a host name or address stands for this machine, without asking DNS."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_path(path: str, allow_local: bool) -> None:
    if not allow_local:
        raise HostNotAllowedError(
            f"{path} is a path. Repositories of this machine are tracked with "
            "`ingestion-pipeline track --path`, if INGESTION_ALLOW_LOCAL_REPOSITORIES allows it."
        )
    if "\0" in path or "\n" in path:
        raise HostNotAllowedError("The path holds a NUL or a line break. Rename the folder.")


def _split_url(url: str) -> tuple[SplitResult, int]:
    """Return a plain http(s) URL's parts and port.

    Raises:
        HostNotAllowedError: Another protocol, credentials, or characters that are not plain.
    """
    advice = "Give it as https://HOST/owner/name.git."
    if "@" in url:
        # ssh's git@host:path too. Whatever stands before the @ may be a secret.
        raise HostNotAllowedError(
            f"A clone URL must hold no user name, password or token. {advice} "
            "A token goes into INGESTION_GITHUB_TOKEN."
        )
    if not _PLAIN_URL.fullmatch(url) or _UNCLEAR.search(url):
        raise HostNotAllowedError(f"{url!r} is not a plain http or https URL. {advice}")
    try:
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        raise HostNotAllowedError(f"{url!r} is malformed. {advice}") from None
    if not _HOST.fullmatch(parts.hostname or "") or parts.path in {"", "/"}:
        raise HostNotAllowedError(f"{url!r} names no host or no repository. {advice}")
    return parts, port


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host

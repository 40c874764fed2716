"""What a person types for a repository, and which hosts it may name."""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from ingestion_pipeline.core.errors import (
    ConfigurationError,
    HostNotAllowedError,
    InvalidRepositoryNameError,
)
from ingestion_pipeline.core.repositories import validate_partition_key

_SCP_FORM = re.compile(r"git@(?P<host>[A-Za-z0-9.-]+):(?P<path>[^:@]+)")
_HOST = re.compile(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]+")
_RIGHT_FORM = "Give it as owner/name or https://{host}/owner/name, for example {example}."


def is_loopback(host: str) -> bool:
    """Return whether ``host`` is this machine, the only one that may be spoken to over http."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_api_url(api_url: str) -> SplitResult:
    """Return the parts of the REST base URL.

    Raises:
        ConfigurationError: Not https (http only to loopback), no host, or credentials in it.
    """
    parts = urlsplit(api_url.rstrip("/"))
    if "@" in parts.netloc:
        raise ConfigurationError(
            "INGESTION_GITHUB_API_URL holds credentials. Leave them out and set "
            "INGESTION_GITHUB_TOKEN."
        )
    host = parts.hostname or ""
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not host or not secure:
        raise ConfigurationError(
            f"INGESTION_GITHUB_API_URL={api_url!r} is not an https URL. Set "
            "https://api.github.com, or https://HOST/api/v3 for GitHub Enterprise."
        )
    return parts


def get_web_host(api: SplitResult) -> str:
    """Return the host that people and git see: ``api.github.com`` becomes ``github.com``."""
    return (api.hostname or "").removeprefix("api.")


def check_host(host: str, allowed_hosts: Collection[str]) -> None:
    """Pass when ``host`` is on the allow-list, letter case aside; ports are not looked at.

    Raises:
        HostNotAllowedError: It is not.
    """
    if host.lower() not in {allowed.lower() for allowed in allowed_hosts}:
        raise HostNotAllowedError(
            f"{host} is not a host that repositories may come from. Add it to "
            f"INGESTION_ALLOWED_HOSTS (now: {', '.join(sorted(allowed_hosts)) or 'none'})."
        )


def parse_reference(reference: str, web_host: str, allowed_hosts: Collection[str]) -> str:
    """Return ``owner/name`` for what a person typed.

    Args:
        reference: ``owner/name``, ``HOST/owner/name``, an http(s) or ssh URL, or the
            ``git@HOST:owner/name.git`` form; a trailing ``.git`` or ``/`` is dropped.
        web_host: The host that the configured API speaks for.
        allowed_hosts: Hosts that may be cloned from.

    Raises:
        InvalidRepositoryNameError: Malformed; a URL with credentials is never repeated.
        HostNotAllowedError: Another host than the configured one.
    """
    host, path = _split_host(reference.strip(), web_host)
    if host:
        _check_reference_host(host, web_host, allowed_hosts)
    owner, _, name = path.strip("/").removesuffix(".git").partition("/")
    if "." in owner or name.startswith("-"):
        raise _malformed(reference, web_host)
    try:
        return validate_partition_key(f"{owner}/{name}")
    except InvalidRepositoryNameError:
        raise _malformed(reference, web_host) from None


def _split_host(reference: str, web_host: str) -> tuple[str, str]:
    scp = _SCP_FORM.fullmatch(reference)
    if scp:
        return scp["host"], scp["path"]
    if "://" in reference:
        return _split_url(reference, web_host)
    if "@" in reference:
        raise _malformed(reference, web_host)
    first, _, rest = reference.partition("/")
    if rest.count("/") >= 1 and ("." in first or ":" in first or first == "localhost"):
        return first.partition(":")[0], rest
    return "", reference


def _split_url(reference: str, web_host: str) -> tuple[str, str]:
    try:
        parts = urlsplit(reference)
    except ValueError:
        raise _malformed(reference, web_host) from None
    login = parts.netloc.rpartition("@")[0]
    has_login = login not in ({"", "git"} if parts.scheme == "ssh" else {""})
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https", "ssh"} or has_login or parts.query or parts.fragment:
        raise _malformed(reference, web_host)
    if not _HOST.fullmatch(host):
        raise _malformed(reference, web_host)
    return host, parts.path


def _check_reference_host(host: str, web_host: str, allowed_hosts: Collection[str]) -> None:
    host = host.lower().removeprefix("www.")
    check_host(host, allowed_hosts)
    if host != web_host:
        raise HostNotAllowedError(
            f"{host} is on INGESTION_ALLOWED_HOSTS, but INGESTION_GITHUB_API_URL speaks for "
            f"{web_host}. Point INGESTION_GITHUB_API_URL at the API of {host}."
        )


def _malformed(reference: str, web_host: str) -> InvalidRepositoryNameError:
    form = _RIGHT_FORM.format(host=web_host, example="pallets/flask")
    if "@" in reference:
        return InvalidRepositoryNameError(
            f"This is not the name or URL of a repository, or it holds credentials. {form} "
            "A token goes into INGESTION_GITHUB_TOKEN."
        )
    return InvalidRepositoryNameError(f"{reference!r} is not a repository's name or URL. {form}")

"""Which addresses a webhook may be sent to: the callers choose them, from outside.

What is refused is listed here and not asked of ``ipaddress.is_global``: its answers differ between
the Python versions that we support, and 3.11 calls 6to4, NAT64 and multicast global.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import SplitResult, urlsplit

from ingestion_pipeline.core.errors import WebhookUrlError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# Host and port → its addresses, best first; OSError where there are none.
Resolve = Callable[[str, int], Sequence[Address]]

MAX_URL_LENGTH = 2048

# https://www.iana.org/assignments/iana-ipv4-special-registry (2024-12), and multicast.
_REFUSED_IPV4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        # Public by its number, and answers inside Azure's machines with their configuration.
        "168.63.129.16/32",
    )
]
# https://www.iana.org/assignments/iana-ipv6-special-registry (2024-12). All but global unicast is
# refused, so only what is special within it has to be named: Teredo and protocols, 6to4,
# documentation.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_REFUSED_IPV6 = [
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
]
# IPv4 in the last 32 bits: mapped (RFC 4291) and NAT64 (RFC 6052), as DNS64 answers with.
_HOLDS_IPV4 = [IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")]

_PLAIN_URL = re.compile(r"https?://[\x21-\x7e]+", re.IGNORECASE)
_UNCLEAR = re.compile(r"[\\<>\"`{}|^#]")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
# 2130706433, 0x7f.1, 0177.0.0.1: what resolvers take for IPv4 though it is not written as such.
_ENDS_IN_A_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?")
_ALLOW = "Its operator can allow a network with INGESTION_WEBHOOK_ALLOWED_NETWORKS."


def check_webhook_url(url: str, allowed: Sequence[Network] = ()) -> None:
    """Pass when a webhook may be sent to ``url``, as far as that shows without asking DNS.

    Args:
        url: ``https://`` or ``http://``, with a host, on port 80, 443 or 1024 and above.
        allowed: Networks that may be reached though they are not public.

    Raises:
        WebhookUrlError: Anything else. The message never repeats the path or the query.
    """
    parts = _split_url(url)
    host = (parts.hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        check_addresses(host, [IPv4Address("127.0.0.1")], allowed)
    elif ":" in host or _ENDS_IN_A_NUMBER.fullmatch(host):
        check_addresses(host, [_read_address(host)], allowed)


def check_addresses(host: str, addresses: Sequence[Address], allowed: Sequence[Network]) -> None:
    """Pass when every one of a host's addresses may be reached.

    One that may not refuses the host: whoever answers with both is up to something.

    Raises:
        WebhookUrlError: One is not public and in none of the allowed networks. The message holds
            the name alone, as the addresses of inner names are nobody's business outside.
    """
    if not all(_is_public(address) or _is_inside(address, allowed) for address in addresses):
        raise WebhookUrlError(
            f"{host} is not at a public address, and webhooks are sent to no other. {_ALLOW}"
        )


def resolve_host(host: str, port: int) -> Sequence[Address]:
    """Return the addresses of a host, as the system's resolver orders them.

    Raises:
        OSError: The name does not resolve.
    """
    # Bytes, because text goes through a codec that fails with errors of its own.
    found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(entry[4][0]) for entry in found]


def _is_public(address: Address) -> bool:
    address = _unwrap(address)
    if isinstance(address, IPv4Address):
        return not _is_inside(address, _REFUSED_IPV4)
    return address in _GLOBAL_UNICAST and not _is_inside(address, _REFUSED_IPV6)


def _is_inside(address: Address, networks: Sequence[Network]) -> bool:
    return any(form in network for network in networks for form in {address, _unwrap(address)})


def _unwrap(address: Address) -> Address:
    if isinstance(address, IPv6Address) and any(address in network for network in _HOLDS_IPV4):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _read_address(host: str) -> Address:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        raise WebhookUrlError(
            f"{host} is no address in its usual form. Write it as 192.0.2.1 or [2001:db8::1], "
            "or give a name."
        ) from None


def _split_url(url: str) -> SplitResult:
    advice = "Give it as https://HOST/PATH."
    if len(url) > MAX_URL_LENGTH:
        raise WebhookUrlError(f"A webhook's URL has at most {MAX_URL_LENGTH} characters.")
    if not _PLAIN_URL.fullmatch(url) or _UNCLEAR.search(url):
        raise WebhookUrlError(
            "A webhook's URL begins with https:// or http://, has no fragment, and all that is not "
            f"plain ASCII is percent-encoded. {advice}"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise WebhookUrlError(f"A webhook's URL is malformed. {advice}") from None
    if "@" in parts.netloc:
        # Whatever stands before the @ may be a secret.
        raise WebhookUrlError(
            f"A webhook's URL must hold no user name or password. {advice} "
            "Receivers know us by the signature."
        )
    host = parts.hostname or ""
    if not _NAME.fullmatch(host) and (":" not in host or "%" in host):
        raise WebhookUrlError(f"A webhook's URL names no host. {advice}")
    if port is not None and port not in (80, 443) and port < 1024:
        raise WebhookUrlError(
            f"A webhook may go to port 80, 443 or any from 1024, and not to {port}: the others "
            "belong to protocols other than HTTP."
        )
    return parts

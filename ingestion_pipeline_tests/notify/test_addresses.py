"""Which addresses and URLs are refused: private ones in every spelling, and only those."""

import ipaddress
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_pipeline.core.errors import WebhookUrlError
from ingestion_pipeline.notify.addresses import (
    MAX_URL_LENGTH,
    Address,
    check_addresses,
    check_webhook_url,
    resolve_host,
)

# The registries' words and not our table's: RFC 6890, 6598, 2544, 5737, 5771, 1112; 4193, 4291,
# 3879, 3849, 9637, 6666, 9602, 8215.
INNER = [
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24",
    "192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24",
    "224.0.0.0/4 240.0.0.0/4 255.255.255.255/32",
    "::/128 ::1/128 ::/96 64:ff9b:1::/48 100::/64 2001::/32 2001:2::/48 2001:10::/28",
    "2001:db8::/32 2002::/16 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8",
]
INNER_NETWORKS = [ipaddress.ip_network(text) for line in INNER for text in line.split()]
PUBLIC = ["1.1.1.1", "93.184.215.14", "172.32.0.1", "100.128.0.1", "2606:2800:220:1::1"]


def is_refused(address: Address, *allowed: str) -> bool:
    networks = [ipaddress.ip_network(text) for text in allowed]
    try:
        check_addresses("hooks.example", [address], networks)
    except WebhookUrlError:
        return True
    return False


def embed(prefix: str, address: IPv4Address) -> IPv6Address:
    return IPv6Address(int(IPv6Address(prefix)) | int(address))


inner_addresses = st.sampled_from(INNER_NETWORKS).flatmap(
    lambda network: st.ip_addresses(network=network)
)


@given(inner_addresses)
def test_inner_addresses_are_refused_however_they_are_wrapped(address: Address) -> None:
    assert is_refused(address)
    if isinstance(address, IPv4Address):
        assert is_refused(embed("::ffff:0:0", address))
        assert is_refused(embed("64:ff9b::", address))
        assert is_refused(embed("::", address))
        assert is_refused(IPv6Address(int(IPv6Address("2002::")) | int(address) << 80))


@given(st.ip_addresses())
def test_whatever_python_calls_not_global_is_refused(address: Address) -> None:
    inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if not (inner or address).is_global:
        assert is_refused(address)


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_not(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert not is_refused(address)
    if isinstance(address, IPv4Address):
        assert not is_refused(embed("::ffff:0:0", address))
        assert not is_refused(embed("64:ff9b::", address))


def test_what_the_operator_allows_is_allowed_and_nothing_beside_it() -> None:
    assert not is_refused(IPv4Address("10.1.2.3"), "10.1.0.0/16")
    assert not is_refused(IPv6Address("::ffff:10.1.2.3"), "10.1.0.0/16")
    assert not is_refused(IPv6Address("fd00::1"), "10.1.0.0/16", "fd00::/8")
    assert is_refused(IPv4Address("10.2.0.0"), "10.1.0.0/16")
    assert is_refused(IPv6Address("fd00::1"), "10.1.0.0/16")


def test_one_inner_address_among_public_ones_refuses_the_host() -> None:
    both = [IPv4Address("1.1.1.1"), IPv4Address("10.0.0.1")]
    for addresses in (both, both[::-1]):
        with pytest.raises(WebhookUrlError, match=r"hooks\.example") as refused:
            check_addresses("hooks.example", addresses, [])
        assert "10.0.0.1" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "0", "::1"])
def test_spellings_that_resolvers_know_are_refused_when_resolved(host: str) -> None:
    try:
        addresses = resolve_host(host, 80)
    except socket.gaierror:
        pytest.skip("this system's resolver does not know the spelling")
    with pytest.raises(WebhookUrlError):
        check_addresses(host, addresses, [])


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/",
        "https://hooks.example",
        "http://hooks.example:8080/a?b=c&d=%C3%A9",
        "HTTPS://Hooks.Example:443/x",
        "https://xn--bcher-kva.example./",
        "http://my_service-1/hook",
        "https://1.1.1.1/",
        "https://[2606:2800:220:1::1]:8443/",
        "https://0x7f.example/",
        "https://hooks.example/" + "a" * (MAX_URL_LENGTH - 22),
    ],
)
def test_urls_that_are_taken(url: str) -> None:
    check_webhook_url(url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "begins with https"),
        ("ftp://hooks.example/", "begins with https"),
        ("file:///etc/passwd", "begins with https"),
        ("hooks.example/x", "begins with https"),
        ("//hooks.example/x", "begins with https"),
        (" https://hooks.example/", "begins with https"),
        ("https://hooks.example/a b", "percent-encoded"),
        ("https://hooks.example/\r\nHost: x", "percent-encoded"),
        ("https://hooks.example/é", "percent-encoded"),
        ("https://bücher.example/", "percent-encoded"),
        ("https://hooks.example\\@10.0.0.1/", "percent-encoded"),
        ("https://hooks.example/#top", "no fragment"),
        ("https://hooks.example/#", "no fragment"),
        ("https://me:sesame@hooks.example/", "no user name"),
        ("https://@hooks.example/", "no user name"),
        ("https:///path", "no host"),
        ("https://:443/", "no host"),
        ("https://a..b/", "no host"),
        ("https://%31.1.1.1/", "no host"),
        (f"https://{'a' * 64}.example/", "no host"),
        (f"https://{'a.' * 130}example/", "no host"),
        ("https://[fe80::1%25eth0]/", "no host"),
        ("https://[::1/", "malformed"),
        ("https://hooks.example:65536/", "malformed"),
        ("https://hooks.example:-1/", "malformed"),
        ("https://hooks.example:x/", "malformed"),
        ("https://hooks.example:0/", "port 80, 443"),
        ("https://hooks.example:25/", "port 80, 443"),
        ("https://hooks.example/" + "a" * (MAX_URL_LENGTH - 21), "2048 characters"),
        ("http://127.0.0.1:8080/", "ALLOWED_NETWORKS"),
        ("http://10.0.0.1/", "ALLOWED_NETWORKS"),
        ("http://169.254.169.254/latest/meta-data/", "ALLOWED_NETWORKS"),
        ("http://168.63.129.16/", "ALLOWED_NETWORKS"),
        ("http://[::1]/", "ALLOWED_NETWORKS"),
        ("http://[::ffff:10.0.0.1]/", "ALLOWED_NETWORKS"),
        ("http://[64:ff9b::10.0.0.1]/", "ALLOWED_NETWORKS"),
        ("http://localhost:8080/", "ALLOWED_NETWORKS"),
        ("http://api.localhost./", "ALLOWED_NETWORKS"),
        ("http://10.0.0.1./", "ALLOWED_NETWORKS"),
        ("http://2130706433/", "usual form"),
        ("http://0x7f000001/", "usual form"),
        ("http://0177.0.0.1/", "usual form"),
        ("http://127.1/", "usual form"),
        ("http://0/", "usual form"),
        ("http://hooks.0x/", "usual form"),
    ],
)
def test_urls_that_are_refused_say_what_to_do(url: str, says: str) -> None:
    with pytest.raises(WebhookUrlError, match=says) as refused:
        check_webhook_url(url)
    assert "sesame" not in str(refused.value)
    assert "meta-data" not in str(refused.value)


def test_inner_literals_are_taken_where_they_are_allowed() -> None:
    allowed = [IPv4Network("127.0.0.0/8"), IPv6Network("fd00::/8")]
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[fd00::1]"):
        check_webhook_url(f"http://{host}:8080/", allowed)
    with pytest.raises(WebhookUrlError):
        check_webhook_url("http://[::1]:8080/", allowed)

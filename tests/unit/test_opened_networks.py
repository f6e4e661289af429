"""Opened networks: what REDRIVE_ALLOW_ADDRESSES lets through, and that it is nothing else."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from events.rules.addresses import (
    Endpoint,
    Network,
    Refused,
    judge_addresses,
    parse_endpoint,
    parse_networks,
)

LOOPBACK = parse_networks("127.0.0.0/8, ::1")
EVERYTHING = parse_networks("0.0.0.0/0 ::/0")


def accepted(url: str, *, allowed: tuple[Network, ...] = ()) -> Endpoint:
    endpoint = parse_endpoint(url, allowed=allowed)
    assert isinstance(endpoint, Endpoint), endpoint.reason
    return endpoint


def refusal(url: str, *, allowed: tuple[Network, ...] = ()) -> str:
    refused = parse_endpoint(url, allowed=allowed)
    assert isinstance(refused, Refused), refused
    return refused.reason


def judged(host: str, *addresses: str, allowed: tuple[Network, ...] = ()) -> Refused | None:
    return judge_addresses(host, [ip_address(text) for text in addresses], allowed=allowed)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
    ],
)
@pytest.mark.parametrize("host", ["ok.example", "localhost"])
def test_metadata_is_never_opened(host: str, address: str) -> None:
    assert judged(host, address, allowed=EVERYTHING) is not None


@pytest.mark.parametrize(
    "address",
    [
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "::5efe:a9fe:a9fe",
        "::ffff:0:a9fe:a9fe",
        "2001:0:a9fe:a9fe::1",
        "2001::5601:5601",
    ],
)
def test_metadata_is_never_opened_through_a_tunnel(address: str) -> None:
    reason = judged("ok.example", address, allowed=EVERYTHING)
    assert reason is not None
    assert "metadata" in reason.reason


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/",
        "http://localhost:8000/",
        "http://localhost:6379/",
        "http://127.0.0.1:9200/",
        "http://[::1]:5432/",
        "http://receiver:8080/",
        "http://hooks.svc.cluster.local/",
    ],
)
def test_an_opened_network_lets_local_endpoints_pass(url: str) -> None:
    endpoint = accepted(url, allowed=LOOPBACK)
    assert judged(endpoint.host, "127.0.0.1", "::1", allowed=LOOPBACK) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "http://127.1/",
        "http://localhost:22/",
        "http://127.0.0.1:22/",
        "http://receiver:6379/",
        "http://ok.example:6379/",
        "http://[::ffff:7f00:1]/",
        "http://metadata.google.internal/",
    ],
)
def test_an_opened_network_opens_nothing_else(url: str) -> None:
    refusal(url, allowed=LOOPBACK)


def test_a_service_port_on_localhost_stays_shut_unless_loopback_is_open() -> None:
    private = parse_networks("10.0.0.0/8")
    refusal("http://localhost:6379/", allowed=private)
    assert accepted("http://10.1.2.3:6379/", allowed=private).port == 6379


def test_a_local_name_must_resolve_into_opened_networks_alone() -> None:
    assert judged("receiver", "127.0.0.1", allowed=LOOPBACK) is None
    assert judged("receiver", "127.0.0.1", "8.8.8.8", allowed=LOOPBACK) is not None
    assert judged("receiver", "127.0.0.1", "10.0.0.1", allowed=LOOPBACK) is not None


def test_a_public_name_may_resolve_into_opened_networks_too() -> None:
    assert judged("ok.example", "127.0.0.1", "8.8.8.8", allowed=LOOPBACK) is None
    assert judged("ok.example", "10.0.0.1", "8.8.8.8", allowed=LOOPBACK) is not None


def test_networks_are_read_with_commas_spaces_and_single_addresses() -> None:
    text = " 10.0.0.0/8,192.168.1.7\n::1 , fd00::/8 "
    assert [str(network) for network in parse_networks(text)] == [
        "10.0.0.0/8",
        "192.168.1.7/32",
        "::1/128",
        "fd00::/8",
    ]
    assert parse_networks("") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10.0.0.1/8", "Write 10.0.0.0/8"),
        ("fd00::1/8", "Write fd00::/8"),
        ("localhost", "'localhost' is not a network"),
        ("10.0.0.0/33", "is not a network"),
        ("10.0.0.0/8/8", "is not a network"),
        ("/8", "is not a network"),
        ("10.0.0.0/8;::1", "is not a network"),
        ("127.1", "is not a network"),
        ("fe80::1%eth0/64", "Leave out the %"),
    ],
)
def test_a_bad_network_is_named_in_the_error(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="network") as caught:
        parse_networks(text)
    assert words in str(caught.value)

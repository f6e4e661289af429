"""Laws of the address rule, over all sorts of URLs and addresses."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from hypothesis import given
from hypothesis import strategies as st
from pyreqwest.http import Url

from events.rules.addresses import (
    Address,
    Endpoint,
    Refused,
    judge_addresses,
    parse_endpoint,
    parse_networks,
)

EVERYTHING = parse_networks("0.0.0.0/0 ::/0")

addresses = st.ip_addresses()
private = st.sampled_from(
    [IPv4Network("10.0.0.0/8"), IPv4Network("127.0.0.0/8"), IPv4Network("192.168.0.0/16")]
).flatmap(lambda network: st.ip_addresses(v=4, network=network))
allowed_networks = st.sampled_from([(), parse_networks("127.0.0.0/8 ::1"), EVERYTHING])
hosts = (
    st.text(alphabet="abc019.-_%@:[]\\/?#xX ", max_size=20)
    | st.from_regex(r"[a-c0-9-]{1,4}(\.[a-c0-9-]{1,4}){0,4}\.?", fullmatch=True)
    | addresses.map(lambda a: f"[{a}]" if a.version == 6 else str(a))
    | st.integers(0, 2**33).map(str)
    | st.integers(0, 2**33).map(hex)
)
urls = st.text() | st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["http://", "https://", "HTTP://", "http:", "http:/", "ftp://", "//"]),
    hosts,
    st.just("") | st.integers(0, 70_000).map(":{}".format) | st.text(max_size=3),
    st.sampled_from(["", "/", "?", "#", "\\", "@127.0.0.1/", "/a?b=c"]) | st.text(max_size=8),
)


@given(urls, allowed_networks)
def test_any_text_is_accepted_or_refused_in_a_sentence(
    url: str, allowed: tuple[IPv4Network | IPv6Network, ...]
) -> None:
    answer = parse_endpoint(url, allowed=allowed)
    assert isinstance(answer, Endpoint) or answer.reason.endswith(".")


@given(urls, allowed_networks)
def test_an_accepted_url_reads_the_same_to_the_client_that_will_call_it(
    url: str, allowed: tuple[IPv4Network | IPv6Network, ...]
) -> None:
    endpoint = parse_endpoint(url, allowed=allowed)
    if isinstance(endpoint, Refused):
        return
    client = Url(endpoint.url)
    assert client.host_str == endpoint.host
    assert client.port_or_known_default == endpoint.port
    assert client.scheme == endpoint.scheme
    assert (client.username, client.password, client.fragment) == ("", None, None)
    assert (client.domain is None) == (endpoint.literal is not None)
    assert parse_endpoint(endpoint.url, allowed=allowed) == endpoint


@given(addresses)
def test_a_url_of_an_address_and_a_name_for_it_are_judged_alike(address: Address) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    endpoint = parse_endpoint(Url(f"http://{host}/").origin_ascii, allowed=())
    assert isinstance(endpoint, Refused) == (
        judge_addresses("ok.example", [address], allowed=()) is not None
    )


@given(st.lists(addresses, min_size=1), private)
def test_a_private_address_among_any_others_refuses_the_name(
    others: list[Address], bad: IPv4Address
) -> None:
    assert judge_addresses("ok.example", [*others, bad], allowed=()) is not None
    assert judge_addresses("ok.example", [bad, *others], allowed=()) is not None


@given(addresses)
def test_what_python_calls_private_is_never_let_through(address: Address) -> None:
    if judge_addresses("ok.example", [address], allowed=()) is None:
        in_nat64 = address in IPv6Network("64:ff9b::/96")
        assert in_nat64 or (address.is_global and not address.is_multicast)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_nat64_is_judged_as_itself(inner: IPv4Address) -> None:
    outer = IPv6Address(int(IPv6Address("64:ff9b::")) + int(inner))
    bare = judge_addresses("ok.example", [inner], allowed=())
    wrapped = judge_addresses("ok.example", [outer], allowed=())
    assert (bare is None) == (wrapped is None)


@given(st.lists(addresses, min_size=1))
def test_opening_networks_never_refuses_more(found: list[Address]) -> None:
    if judge_addresses("ok.example", found, allowed=()) is None:
        assert judge_addresses("ok.example", found, allowed=EVERYTHING) is None


@given(st.lists(addresses, min_size=1))
def test_a_local_name_is_refused_as_long_as_nothing_is_open(found: list[Address]) -> None:
    assert judge_addresses("receiver", found, allowed=()) is not None


@given(st.text() | st.text(alphabet="01.:/, f%", max_size=20))
def test_any_text_is_networks_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert all(str(network) for network in parse_networks(text))

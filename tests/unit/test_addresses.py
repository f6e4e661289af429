"""Endpoints: every way into our own networks is refused, and good URLs are not."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from events.rules.addresses import (
    Endpoint,
    Network,
    Refused,
    judge_addresses,
    parse_endpoint,
    parse_networks,
)


def words(text: str) -> list[str]:
    return text.split()


EVERYTHING = parse_networks("0.0.0.0/0 ::/0")

LOOPBACK_HOSTS = words("127.0.0.1 127.9.9.9 0.0.0.0 0 [::1] [::]")
ODD_IPV4 = words(
    """
    127.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 127.0.0.1. 0xA9FEA9FE 08.8.8.8 8.8.8.8. 8.8.2056
    1.2.3.4.5 ok.0x1
    """
)
ENCODED = words(
    """
    %31%32%37.0.0.1 127%2e0.0.1 \uff11\uff12\uff17.\uff10.\uff10.\uff11 loc%61lhost \u24dbocalhost
    ok\u3002example m\xfcnchen.example ok%2eexample
    """
)
PRIVATE_OR_RESERVED = words(
    """
    10.0.0.1 172.16.0.1 172.31.0.1 192.168.0.1 100.64.0.1 198.18.0.1 192.0.0.8 192.0.2.1
    198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 192.88.99.1 169.254.1.1
    """
)
METADATA = words(
    """
    169.254.169.254 169.254.170.2 [fd00:ec2::254] 100.100.100.200 168.63.129.16 192.0.0.192
    metadata.google.internal metadata.goog
    """
)
IPV6 = words(
    """
    [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:a9fe:a9fe] [::127.0.0.1] [::7f00:1]
    [::ffff:0:7f00:1] [64:ff9b::a9fe:a9fe] [64:ff9b::7f00:1] [64:ff9b:1::7f00:1] [2002:7f00:1::]
    [2001:0:4136:e378::1] [2001:0:4136:e378:8000:63bf:3fff:fdd2] [::5efe:7f00:1] [fe80::1%25eth0]
    [fe80::1] [fc00::1] [fec0::1] [ff02::1] [2001:db8::1] [3fff::1] [4000::1] [2606:4700:0::1111]
    [2606:4700::1111%25eth0]
    """
)
NAMES = [
    *words(
        """
        LOCALHOST localhost localhost. a.localhost localhost.localdomain redis redis. x.internal
        x.internal. db.home.arpa printer.local Ok.example ok..example .ok.example ok.example..
        -ok.example ok-.example o_k.example o'k.example ok*.example
        """
    ),
    "a" * 64 + ".example",
    "a." * 130 + "example",
]
PORTS = words(":0 :22 :25 :6379 :65536 :443x :-1 :5432 :2375 :10250")
PARSER = [
    *words(
        """
        http://a@127.0.0.1 http://127.0.0.1@ok.example http://a@ok.example http://a:b@ok.example
        http://@ok.example http://:@ok.example http:127.0.0.1 http:ok.example http:/ok.example
        http:///127.0.0.1 http:///ok.example http://ok.example/#part http://ok.example/#
        http://ok.example#@127.0.0.1/ http://[::1 http://::1] http://[::1]x http://[[2606:4700::1111]]
        http://[2606:4700::1111]]:80 http://2606:4700::1111 http:// http://. http://:80 http://?x
        //ok.example ok.example
        """
    ),
    "http://ok.example\\@127.0.0.1",
    "http:\\\\ok.example",
    "http://ok.exa\tmple",
    "http://ok.example/\r\n",
    "http://ok.example/\r\nX-Y: z",
    "\thttp://ok.example",
    " http://ok.example",
    "http://ok.example/a b",
    "http://ok.example/\x00",
    "http://ok.example/\x7f",
    "http://ok.example/\u200b",
    "http://ok.example/\u2028",
    "http://ok.example/\ud800",
    "",
    "https://ok.example/" + "a" * 2048,
    "https://ok.example/" + "\u00e9" * 400,
]
SCHEMES = words(
    """
    file:///etc/passwd gopher://ok.example data:text/plain,x unix:/run/x.sock
    http+unix://%2frun%2fx.sock/ ftp://ok.example ws://ok.example javascript:alert(1)
    httpx://ok.example
    """
)

ATTACKS = [
    *(f"http://{host}" for host in LOOPBACK_HOSTS),
    *(f"http://{host}" for host in ODD_IPV4),
    *(f"http://{host}" for host in ENCODED),
    *(f"http://{host}" for host in PRIVATE_OR_RESERVED),
    *(f"http://{host}" for host in METADATA),
    *(f"http://{host}" for host in IPV6),
    *(f"http://{host}" for host in NAMES),
    *(f"http://ok.example{port}" for port in PORTS),
    *PARSER,
    *SCHEMES,
]

GOOD = [
    ("https://ok.example", "https://ok.example/", "ok.example", 443),
    ("http://ok.example/a?b=c", "http://ok.example/a?b=c", "ok.example", 80),
    ("HTTPS://ok.example/A", "https://ok.example/A", "ok.example", 443),
    ("https://ok.example./x", "https://ok.example/x", "ok.example", 443),
    ("https://ok.example.:8443/", "https://ok.example:8443/", "ok.example", 8443),
    ("https://ok.example:443/", "https://ok.example/", "ok.example", 443),
    ("http://ok.example:443/", "http://ok.example:443/", "ok.example", 443),
    ("https://ok.example:/", "https://ok.example/", "ok.example", 443),
    ("https://ok.example:65535", "https://ok.example:65535/", "ok.example", 65535),
    ("https://ok.example?x=@", "https://ok.example/?x=@", "ok.example", 443),
    ("https://ok.example/../b", "https://ok.example/b", "ok.example", 443),
    ("https://ok.example/\u00e9", "https://ok.example/%C3%A9", "ok.example", 443),
    ("https://xn--mnchen-3ya.example/", "https://xn--mnchen-3ya.example/", None, 443),
    ("https://1.2.3.example/", "https://1.2.3.example/", "1.2.3.example", 443),
    ("https://8.8.8.8/", "https://8.8.8.8/", "8.8.8.8", 443),
    ("https://[2606:4700::1111]:8443/x", "https://[2606:4700::1111]:8443/x", None, 8443),
    ("https://[64:ff9b::808:808]/", "https://[64:ff9b::808:808]/", "[64:ff9b::808:808]", 443),
]


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


@pytest.mark.parametrize("url", ATTACKS)
def test_an_attack_is_refused(url: str) -> None:
    assert refusal(url).endswith(".")


@pytest.mark.parametrize("host", [*ODD_IPV4, *ENCODED, *METADATA])
def test_odd_spellings_and_metadata_are_refused_though_all_networks_are_open(host: str) -> None:
    refusal(f"http://{host}", allowed=EVERYTHING)


@pytest.mark.parametrize("url", [*PARSER, *SCHEMES])
def test_what_is_no_plain_url_is_refused_though_all_networks_are_open(url: str) -> None:
    refusal(url, allowed=EVERYTHING)


@pytest.mark.parametrize(("url", "canonical", "host", "port"), GOOD)
def test_a_good_url_is_accepted_and_rebuilt(
    url: str, canonical: str, host: str | None, port: int
) -> None:
    endpoint = accepted(url)
    assert (endpoint.url, endpoint.port) == (canonical, port)
    assert endpoint.host == (host or endpoint.host)
    assert f"://{endpoint.host}" in endpoint.url


def test_a_literal_address_comes_parsed() -> None:
    assert accepted("https://8.8.8.8").literal == IPv4Address("8.8.8.8")
    assert accepted("https://[2606:4700::1111]").literal == IPv6Address("2606:4700::1111")
    assert accepted("https://ok.example").literal is None


def test_a_reason_tells_what_is_wrong_and_how_to_open_it() -> None:
    reason = refusal("http://10.0.0.1")
    assert reason.startswith("10.0.0.1 is a private address.")
    assert "REDRIVE_ALLOW_ADDRESSES" in reason
    assert "Write ok.example" in refusal("http://OK.example")
    assert "PostgreSQL" in refusal("http://ok.example:5432")
    assert "REDRIVE_ALLOW_ADDRESSES" not in refusal("http://169.254.169.254")


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("127.0.0.1.nip.io", ["127.0.0.1"]),
        ("ok.example", ["93.184.215.14", "127.0.0.1"]),
        ("ok.example", ["93.184.215.14", "2606:4700::1111", "::1"]),
        ("ok.example", ["::ffff:93.184.215.14"]),
        ("ok.example", ["169.254.169.254"]),
        ("ok.example", ["64:ff9b::10.0.0.1"]),
        ("ok.example", ["fe80::1%eth0"]),
        ("ok.example", []),
        ("redis", ["93.184.215.14"]),
        ("x.internal", ["93.184.215.14"]),
        ("localhost", ["127.0.0.1"]),
    ],
)
def test_one_bad_address_refuses_a_name(host: str, addresses: list[str]) -> None:
    assert judged(host, *addresses) is not None


def test_a_name_that_flips_after_the_check_is_refused_at_the_next() -> None:
    assert judged("ok.example", "93.184.215.14") is None
    assert judged("ok.example", "127.0.0.1") is not None


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("ok.example", ["93.184.215.14", "2606:4700::1111"]),
        ("ok.example", ["64:ff9b::8.8.8.8"]),
        ("8.8.8.8", ["8.8.8.8"]),
        ("[2606:4700::1111]", ["2606:4700::1111"]),
    ],
)
def test_public_addresses_are_fine(host: str, addresses: list[str]) -> None:
    assert judged(host, *addresses) is None

"""Where a webhook may go: keeps an endpoint's URL from reaching into our own networks.

`parse_endpoint` judges all that needs no DNS, `judge_addresses` what a name resolves to. Both run
when a subscription is saved and before each connect. `allowed` holds the networks that an operator
opened with REDRIVE_ALLOW_ADDRESSES.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, TypeAlias

from pyreqwest.http import Url

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

MAX_URL: Final = 2048
MAX_HOST: Final = 253

# Our own table: `is_global` is true for 224.0.0.1, 192.88.99.1, 192.0.0.192, ::127.0.0.1, fec0::1,
# 64:ff9b::7f00:1 and more. From the IANA special-purpose registries (RFC 6890) and multicast.
_REFUSED_IPV4: Final = tuple(
    (IPv4Network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "an address of this very network"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a provider's shared address"),
        ("127.0.0.0/8", "a loopback address"),
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.0.2.0/24", "a documentation address"),
        ("192.88.99.0/24", "a relay address"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "a benchmarking address"),
        ("198.51.100.0/24", "a documentation address"),
        ("203.0.113.0/24", "a documentation address"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
    )
)
# Those outside 2000::/3 would be refused anyway; they are here for a better word.
_REFUSED_IPV6: Final = tuple(
    (IPv6Network(network), kind)
    for network, kind in (
        ("::1/128", "a loopback address"),
        ("::ffff:0:0/96", "an IPv4 address written as IPv6"),
        ("2001::/23", "a reserved address"),
        ("2001:db8::/32", "a documentation address"),
        ("2002::/16", "a 6to4 tunnel address"),
        ("3fff::/20", "a documentation address"),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("ff00::/8", "a multicast address"),
    )
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_LOOPBACK: Final = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
_NAT64: Final = IPv6Network("64:ff9b::/96")

# They hand out credentials to whoever asks: AWS, its containers and pods, GCP, Alibaba, Azure, OCI.
_METADATA: Final = frozenset(
    {
        IPv4Address("169.254.169.254"),
        IPv4Address("169.254.170.2"),
        IPv4Address("169.254.170.23"),
        IPv4Address("100.100.100.200"),
        IPv4Address("168.63.129.16"),
        IPv4Address("192.0.0.192"),
        IPv6Address("fd00:ec2::254"),
        IPv6Address("fd00:ec2::23"),
        IPv6Address("fd20:ce::254"),
    }
)
_METADATA_NAMES: Final = frozenset(
    {"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"}
)
_LOCAL_SUFFIXES: Final = (
    ".localhost",
    ".localdomain",
    ".local",
    ".internal",
    ".intranet",
    ".private",
    ".corp",
    ".home",
    ".lan",
    ".home.arpa",
)

# Services that take orders from whoever connects, or choke on HTTP.
_SERVICES: Final = {
    port: name
    for name, ports in (
        ("Cassandra", (9042,)),
        ("Consul", (8500,)),
        ("CouchDB", (5984,)),
        ("Docker", (2375, 2376)),
        ("Elasticsearch", (9200, 9300)),
        ("etcd", (2379, 2380)),
        ("Kafka", (9092,)),
        ("Kubernetes", (6443, 10250, 10255)),
        ("Memcached", (11211,)),
        ("MongoDB", (27017, 27018, 27019)),
        ("MySQL", (3306,)),
        ("NFS", (2049,)),
        ("Oracle", (1521,)),
        ("PostgreSQL", (5432,)),
        ("RabbitMQ", (5672, 15672)),
        ("Redis", (6379,)),
        ("Remote Desktop", (3389,)),
        ("SQL Server", (1433,)),
        ("VNC", (5900,)),
        ("WinRM", (5985, 5986)),
    )
    for port in ports
}

_AUTHORITY: Final = re.compile(r"https?://([^/?]+)", re.IGNORECASE)
_HOST_AND_PORT: Final = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::[0-9]*)?")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

_HOW: Final = (
    "Webhooks go to public addresses; an operator can open networks with REDRIVE_ALLOW_ADDRESSES."
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL that may be called, rebuilt from its parts; `literal` if the host is an address.

    `host` is spelled as in `url` (IPv6 in brackets), so that an address pinned for it is found.
    """

    url: str
    scheme: str
    host: str
    port: int
    literal: Address | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an endpoint may not be called, in sentences for whoever set it up."""

    reason: str


def parse_endpoint(url: str, *, allowed: Sequence[Network]) -> Endpoint | Refused:
    """Read an endpoint's URL and judge all of it that needs no DNS."""
    host = _written_host(url)
    if isinstance(host, Refused):
        return host
    try:
        parsed = Url(url)
        if host != parsed.host_str:
            return Refused(f"The host is spelled in an unusual way. Write {parsed.host_str}.")
        endpoint = _endpoint(parsed.with_host(host.removesuffix(".")))
    except ValueError as error:
        return Refused(f"The URL can't be read: {error}.")
    if len(endpoint.url) > MAX_URL:
        return Refused(f"The URL is longer than {MAX_URL} characters.")
    reason = _refuse_host(endpoint, allowed) or _refuse_port(endpoint, allowed)
    return Refused(reason) if reason else endpoint


def judge_addresses(
    host: str, addresses: Iterable[Address], *, allowed: Sequence[Network]
) -> Refused | None:
    """Judge all addresses that an endpoint's host resolves to: one bad address refuses it."""
    found = list(addresses)
    if not found:
        return Refused(f"{host} resolves to no address.")
    local = _is_local(host)
    for address in found:
        reason = _refuse_address(address, allowed)
        if reason is None and local and not _is_inside(address, allowed):
            reason = f"{host} is a local name, and {address} is not in an opened network. {_HOW}"
        if reason is not None:
            return Refused(reason)
    return None


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read networks and addresses, parted by commas or spaces; raises ValueError in words."""
    return tuple(_parse_network(part) for part in re.split(r"[,\s]+", text) if part)


def _parse_network(part: str) -> Network:
    try:
        network = ip_network(part, strict=False)
    except ValueError:
        raise ValueError(
            f"{part!r} is not a network. Write an address or a network such as 10.0.0.0/8."
        ) from None
    if "%" in part:
        raise ValueError(f"{part!r} names a network card. Leave out the % and what follows it.")
    if "/" in part and network.network_address != ip_network(part.split("/")[0]).network_address:
        raise ValueError(f"{part!r} is an address inside a network. Write {network}.")
    return network


def _written_host(url: str) -> str | Refused:
    if any(c.isspace() or not c.isprintable() or c in "\\#" for c in url):
        return Refused(
            "The URL holds a space, a control character, a backslash or a fragment (#). Remove it."
        )
    authority = _AUTHORITY.match(url)
    if authority is None:
        return Refused("The URL must begin with https:// or http:// and a host.")
    if "@" in authority[1]:
        return Refused("The URL holds a user or a password. Set authentication apart from it.")
    host = _HOST_AND_PORT.fullmatch(authority[1])
    return Refused("The URL can't be read: check host and port.") if host is None else host[1]


def _endpoint(parsed: Url) -> Endpoint:
    host = parsed.host_str or ""
    literal: Address | None = None
    if parsed.domain is None:
        literal = IPv6Address(host[1:-1]) if host.startswith("[") else IPv4Address(host)
    return Endpoint(str(parsed), parsed.scheme, host, parsed.port_or_known_default or 0, literal)


def _refuse_host(endpoint: Endpoint, allowed: Sequence[Network]) -> str | None:
    host = endpoint.host
    if endpoint.literal is not None:
        return _refuse_address(endpoint.literal, allowed)
    if len(host) > MAX_HOST or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        return f"{host[:MAX_HOST]} is not a host name: use a-z, 0-9, dots and inner hyphens."
    if host in _METADATA_NAMES:
        return f"{host} is a cloud's metadata service, and never an endpoint."
    if _is_local(host) and not allowed:
        return f"{host} is a local name. {_HOW}"
    return None


def _refuse_port(endpoint: Endpoint, allowed: Sequence[Network]) -> str | None:
    port = endpoint.port
    if port < 1024 and port not in {80, 443}:
        return f"Port {port} is not open to webhooks. Use 443, 80, or one from 1024 up."
    if port in _SERVICES and not _is_opened(endpoint, allowed):
        return f"Port {port} is that of {_SERVICES[port]}. Let the endpoint listen on another."
    return None


def _is_opened(endpoint: Endpoint, allowed: Sequence[Network]) -> bool:
    # Receivers on the operator's own machine often listen on whatever port was free.
    if endpoint.host == "localhost":
        return any(_is_inside(address, allowed) for address in _LOOPBACK)
    return endpoint.literal is not None and _is_inside(endpoint.literal, allowed)


def _refuse_address(address: Address, allowed: Sequence[Network]) -> str | None:
    if any(inner in _METADATA for inner in _readings(address)):
        return f"{address} is a cloud's metadata service, and never an endpoint."
    if _is_inside(address, allowed):
        return None
    kind = _kind(address)
    return None if kind is None else f"{address} is {kind}. {_HOW}"


def _kind(address: Address) -> str | None:
    match address:
        case IPv4Address():
            return next((kind for network, kind in _REFUSED_IPV4 if address in network), None)
        case IPv6Address() if address in _NAT64:
            return _kind(_last_32_bits(address))
        case IPv6Address():
            named = next((kind for network, kind in _REFUSED_IPV6 if address in network), None)
            return named or (None if address in _GLOBAL_UNICAST else "a reserved address")


def _readings(address: Address) -> list[Address]:
    """List an address and the IPv4 addresses that a gateway or tunnel may read out of it."""
    if isinstance(address, IPv4Address):
        return [address]
    inner = [address.sixtofour, *(address.teredo or ())]
    if address not in _GLOBAL_UNICAST:
        inner.append(_last_32_bits(address))
    return [address, *(reading for reading in inner if reading is not None)]


def _last_32_bits(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFF_FFFF)


def _is_inside(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _is_local(host: str) -> bool:
    if host.startswith("["):
        return False
    return "." not in host or host.endswith(_LOCAL_SUFFIXES)

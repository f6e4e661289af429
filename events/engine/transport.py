"""The only module that opens a socket to a subscriber.

A host is resolved by us, every address is judged, and the connection goes to a judged address.
Redirects are not followed, no proxy of the environment is used, nothing is decompressed, and one
deadline covers everything from the look-up to the last byte that we read.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from django.utils import timezone
from pyreqwest import exceptions as errors
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.response import Response

from events.rules.addresses import Endpoint, Network, Refused, judge_addresses, parse_endpoint
from events.rules.outcome import (
    Blocked,
    Outcome,
    Responded,
    TimedOut,
    TimeoutPhase,
    Unreachable,
    UnreachableKind,
)

BODY_READ = 64 * 1024
BODY_KEPT = 16 * 1024
CLIENTS_KEPT = 1_024
ADDRESSES_KEPT_FOR = 10.0
"""Seconds after which a name is resolved and judged anew, also on an open connection."""

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Request:
    """A signed request, ready to go; times in seconds."""

    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    timeout: float
    connect_timeout: float


@dataclass(slots=True)
class Sent:
    """What one send saw. Milliseconds; None for a phase that it did not reach."""

    started_at: datetime
    request_headers: Sequence[tuple[str, str]]
    outcome: Outcome = field(default_factory=lambda: Blocked("not sent"))
    dns_ms: float | None = None
    first_byte_ms: float | None = None
    total_ms: float = 0.0
    response_headers: list[tuple[str, str]] | None = None
    response_body: bytes = b""
    address: str = ""


class Transport:
    """Sends requests, with one client an endpoint and address: a bulkhead between endpoints.

    Belongs to one event loop. `allowed` are the networks that the guard lets through.
    """

    def __init__(self, *, allowed: Sequence[Network], user_agent: str) -> None:
        self._allowed = tuple(allowed)
        self._user_agent = user_agent
        self._clients: OrderedDict[tuple[str, int, str, float], Client] = OrderedDict()
        self._addresses: dict[str, tuple[float, Sequence[Address]]] = {}

    async def send(self, request: Request) -> Sent:
        """Makes one try and says what happened; raises nothing for what a network can do."""
        sent = Sent(timezone.now(), request.headers)
        began = time.perf_counter()
        try:
            sent.outcome = await self._try(request, sent, began)
        except (TimeoutError, errors.PyreqwestError) as error:
            sent.outcome = _failure(error)
        sent.total_ms = _since(began)
        return sent

    async def _try(self, request: Request, sent: Sent, began: float) -> Outcome:
        endpoint = _endpoint(request.url, self._allowed)
        if isinstance(endpoint, Refused):
            return Blocked(endpoint.reason)
        found = await self._resolve(endpoint, request.timeout)
        sent.dns_ms = _since(began)
        match found:
            case Blocked() | Unreachable():
                return found
            case address:
                sent.address = address
        client = self._client(endpoint, sent.address, request.connect_timeout)
        left = timedelta(seconds=max(0.001, request.timeout - _since(began) / 1000))
        building = client.post(endpoint.url).headers(request.headers).body_bytes(request.body)
        async with building.timeout(left).build_streamed() as response:
            sent.first_byte_ms = _since(began)
            sent.response_headers = _headers(response)
            sent.response_body = await _body(response)
            return Responded(response.status, _header(response, "retry-after"))

    async def _resolve(self, endpoint: Endpoint, seconds: float) -> str | Blocked | Unreachable:
        """The address to connect to, after every address of the name was judged."""
        if endpoint.literal is not None:
            return str(endpoint.literal)
        known = self._addresses.get(endpoint.host)
        if known is None or time.monotonic() - known[0] > ADDRESSES_KEPT_FOR:
            try:
                async with asyncio.timeout(seconds):
                    found = await _look_up(endpoint.host, endpoint.port)
            except TimeoutError:
                return Unreachable(UnreachableKind.RESOLVER, "the resolver did not answer in time")
            except OSError as error:
                return Unreachable(_kind_of_lookup(error), str(error))
            known = self._addresses[endpoint.host] = (time.monotonic(), found)
        refused = judge_addresses(endpoint.host, known[1], allowed=self._allowed)
        return Blocked(refused.reason) if refused else str(known[1][0])

    def _client(self, endpoint: Endpoint, address: str, connect_timeout: float) -> Client:
        key = (endpoint.host, endpoint.port, address, connect_timeout)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = self._build(endpoint, address, connect_timeout)
            if len(self._clients) > CLIENTS_KEPT:
                # Its sends under way finish: they hold the client themselves.
                self._clients.popitem(last=False)
        self._clients.move_to_end(key)
        return client

    def _build(self, endpoint: Endpoint, address: str, connect_timeout: float) -> Client:
        builder = ClientBuilder().follow_redirects(False).referer(False).no_proxy()
        builder = builder.gzip(False).brotli(False).zstd(False).deflate(False)
        builder = builder.user_agent(self._user_agent).http1_lower_case_headers()
        builder = builder.connect_timeout(timedelta(seconds=connect_timeout))
        builder = builder.pool_idle_timeout(timedelta(seconds=30))
        if endpoint.literal is None:
            builder = builder.resolve(endpoint.host, address, endpoint.port)
        return builder.build()


@lru_cache(maxsize=4_096)
def _endpoint(url: str, allowed: tuple[Network, ...]) -> Endpoint | Refused:
    return parse_endpoint(url, allowed=allowed)


async def _look_up(host: str, port: int) -> Sequence[Address]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(entry[4][0]) for entry in found]


def _kind_of_lookup(error: OSError) -> UnreachableKind:
    """A gaierror, or what the system said where the resolver got no answer to give."""
    if not isinstance(error, socket.gaierror):
        handles = error.errno in (errno.EMFILE, errno.ENFILE)
        return UnreachableKind.LOCAL if handles else UnreachableKind.RESOLVER
    unknown = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
    return UnreachableKind.DNS if error.errno in unknown else UnreachableKind.RESOLVER


def _headers(response: Response) -> list[tuple[str, str]]:
    """As they came; NUL, and a value that is not ASCII, are replaced by a mark."""
    try:
        return [(name, value.replace("\0", "�")) for name, value in response.headers.items()]
    except ValueError:
        return [(name, _header(response, name) or "�") for name in response.headers]


def _header(response: Response, name: str) -> str | None:
    """None too where the client cannot give the value, because it is not ASCII."""
    try:
        return response.get_header(name)
    except ValueError:
        return None


async def _body(response: Response) -> bytes:
    """Reads at most 64 KB, so that a short answer leaves the connection usable, keeps 16."""
    length = _header(response, "content-length") or ""
    ends = int(length) if length.isdigit() and len(length) < 10 else BODY_READ
    body = b""
    while len(body) < min(ends, BODY_READ):
        chunk = await response.body_reader.read(BODY_READ - len(body))
        if chunk is None:
            break
        body += bytes(chunk)
    return body[:BODY_KEPT]


def _failure(error: TimeoutError | errors.PyreqwestError) -> Outcome:
    causes = None
    if isinstance(error, errors.RequestError | errors.BuilderError):
        causes = error.details.get("causes")
    # Without the URL: its words are no cause, and its query may hold a token.
    said = (cause["message"] for cause in causes or () if " for url (" not in cause["message"])
    detail = "; ".join(said) or type(error).__name__
    match error:
        case errors.ConnectTimeoutError() if "(Connect)" in detail:
            return TimedOut(TimeoutPhase.CONNECT, "")
        case errors.ReadTimeoutError():
            return TimedOut(TimeoutPhase.TOTAL, "")
        case TimeoutError():
            # Also said of a connection that is made and then silent, or floods us with 1xx.
            return TimedOut(TimeoutPhase.RESPONSE, "")
        case errors.BuilderError():
            return Unreachable(UnreachableKind.LOCAL, detail)
        case _:
            return Unreachable(_kind(detail.lower()), detail)


_WORDS = (
    (UnreachableKind.LOCAL, ("too many open files",)),
    (UnreachableKind.TLS, ("certificate", "tls", "handshake", "fatal alert", "corrupt message")),
    (UnreachableKind.REFUSED, ("connection refused",)),
    (UnreachableKind.RESET, ("reset", "broken pipe", "closed before", "unexpected eof", "aborted")),
    (UnreachableKind.PROTOCOL, ("invalid http", "invalid header", "too large", "parse", "body")),
)


def _kind(detail: str) -> UnreachableKind:
    for kind, words in _WORDS:
        if any(word in detail for word in words):
            return kind
    return UnreachableKind.NETWORK


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000

"""The laws that a fuzzer tries to break.

A parser answers with what it read or with what is wrong, and raises nothing; what it accepted
it accepts again, unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import django

django.setup()

from events import wire  # noqa: E402 - it reads settings
from events.keys import Caller  # noqa: E402
from events.models.access import Scope  # noqa: E402
from events.problems import Problem  # noqa: E402
from events.publish import NewEvent  # noqa: E402
from events.rules import cloudevents, filters, ids, patterns, retry, signing  # noqa: E402
from events.rules.addresses import (  # noqa: E402
    Endpoint,
    judge_addresses,
    parse_endpoint,
)
from events.rules.cloudevents import BATCH_TYPE, STRUCTURED_TYPE, Invalid  # noqa: E402
from events.rules.filters import Facts  # noqa: E402
from events.rules.ids import Prefix  # noqa: E402

CALLER = Caller(UUID(int=1), "fuzz", frozenset({Scope.PUBLISH}), None)
LIMITS = wire.Limits(event=262_144, batch=8_388_608, items=1_000)
FORMS = ("application/json", STRUCTURED_TYPE, BATCH_TYPE)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PUBLIC = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="


def url(data: bytes) -> None:
    """What is accepted is spelled in one way, and no literal address in it is closed."""
    found = parse_endpoint(data.decode("utf-8", "surrogateescape"), allowed=())
    if isinstance(found, Endpoint):
        assert parse_endpoint(found.url, allowed=()) == found
        if found.literal is not None:
            assert judge_addresses(found.host, [found.literal], allowed=()) is None


def publish(data: bytes) -> None:
    """Every item of an accepted body has clean texts, and data that PostgreSQL can store."""
    form, body = FORMS[data[0] % 3 if data else 0], data[1:]
    found = wire.read({"content-type": form}, body, caller=CALLER, limits=LIMITS)
    for item in found.items if isinstance(found, wire.Batch) else (found,):
        match item:
            case NewEvent():
                texts = (item.type, item.source, item.subject, item.tenant, item.ordering_key)
                assert not any(cloudevents.check_text(text) for text in texts if text), item
            case Problem():
                json.dumps(item.body()).encode()


def ce_headers(data: bytes) -> None:
    """What was read from headers and is written as headers is read the same."""
    head, _, body = data.partition(b"\n\n")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\n"))
    found = cloudevents.parse_binary_headers([(name, value) for name, _, value in lines], body)
    if not isinstance(found, Invalid):
        written = cloudevents.binary_headers(found)
        assert cloudevents.parse_binary_headers(written, body) == found


def filter_(data: bytes) -> None:
    """An expression that is no filter is refused in words; one that is ends for every event."""
    expression, _, value = data.decode("utf-8", "replace").partition("\n")
    if filters.check(expression) is None:
        facts = Facts(type="order.paid", source="/shop", data=_json(value))
        filters.evaluate(filters.compile_filter(expression), facts)


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def small(data: bytes) -> None:
    """The short texts of headers, addresses and forms."""
    text = data.decode("utf-8", "surrogateescape")
    for prefix in Prefix:
        known = ids.decode(prefix, text)
        assert known is None or ids.encode(prefix, known) == text[:3].lower() + text[3:].upper()
    if patterns.check(text) is None:
        patterns.matches(text, "order.paid")
    at = retry.parse_retry_after(text, NOW)
    assert at is None or at >= NOW
    signing.verify_header([SECRET, PUBLIC], text, webhook_id="dlv_1", timestamp=1, body=b"")
    cloudevents.parse_time(text)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "url": url,
    "publish": publish,
    "ce-headers": ce_headers,
    "filter": filter_,
    "small": small,
}

SEEDS: Mapping[str, Sequence[bytes]] = {
    "url": [
        b"https://hooks.example.com/a?b=c",
        b"http://127.0.0.1:8080/",
        b"http://[2606:4700::1111]/",
        b"http://user@0x7f.1/",
        b"https://xn--bcher-kva.example./",
    ],
    "publish": [
        b'\0{"type": "order.paid", "data": {"n": 1}, "extensions": {"a": 1}}',
        b'\0[{"type": "a", "data": "\\u0000"}, {"id": "1", "source": "/s", "type": "b"}]',
        b'\1{"specversion": "1.0", "id": "1", "source": "/s", "type": "a", "data_base64": "AA=="}',
        b'\2[{"specversion": "1.0", "id": "1", "source": "/s", "type": "a", "x": true}]',
    ],
    "ce-headers": [
        b"ce-specversion:1.0\nce-id:1\nce-source:/s\nce-type:a\nce-x:%C3%A9\n\n{}",
        b'ce-specversion:1.0\nce-id:"a b"\nce-source:/s\nce-type:a\nce-time:2026-03-01T00:00:00Z',
    ],
    "filter": [
        b'data.amount > 10 && type.startsWith("order.")\n{"amount": 11}',
        b'has(data.a) && data.a.all(x, x in [1, 2])\n{"a": [1]}',
        b'data.s.matches("^a+$")\n{"s": "aaa"}',
    ],
    "small": [
        b"evt_01JZ8Q4X7N3T5V9B2K6M0C1D8E",
        b"order.*.**",
        b"120",
        b"Fri, 31 Dec 2027 23:59:59 GMT",
        b"v1,QYzuQorjRse5BYAj/KnOr0Q7sM/hL4PDU3IWwwXPTgs= v1a,AAAA",
        b"2026-03-01T00:00:00.123456+01:00",
    ],
}

"""Checking what somebody wants a subscription to be: parsed once, into the fields of the model.

The API and the console ask here. The endpoint's host is looked up, so never inside a transaction.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

from django.conf import settings

from events.models import Subscription
from events.models.subscription import Authentication
from events.problems import Code, Problem
from events.rules import cloudevents, filters, patterns, retry, signing
from events.rules.addresses import Address, Endpoint, Refused, judge_addresses, parse_endpoint
from events.vault import encrypt

LOOK_UP = 3.0
"""Seconds that a resolver has to answer."""

NAME_MAX = 200
TENANT_MAX = 200
TYPES_MAX = 100
HEADERS_MAX = 20
HEADER_NAME_MAX = 100
HEADER_VALUE_MAX = 2_048
CREDENTIALS_MAX = 4_096

RANGES = {
    "timeout": (0.1, 120.0),
    "max_concurrency": (1, 10_000),
    "rate_limit": (0.001, 1_000_000.0),
}
"""The least and the most of each number: seconds, sends at once, sends a second."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PRINTABLE = re.compile(r"[!-~]([ -~]*[!-~])?")
_OURS = frozenset(
    {
        "connection",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "te",
        "traceparent",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
_OUR_PREFIXES = ("content-", "proxy-", "webhook-", "ce-")

# A resolver that hangs holds a thread, not a request; with all four held, saving is refused.
_lookups = ThreadPoolExecutor(4, "lookup")

Given = Mapping[str, Any]
Fields = dict[str, Any]


def check(given: Given, *, current: Subscription | None = None) -> Fields | Problem:
    """The fields for operate.create_subscription or change_subscription, or what is wrong.

    `given` holds those of the model's fields that were sent, of the model's types, with two
    differences. `headers` may hold None for a name: that one is removed, and a change keeps those
    it does not name. `credentials` are in the clear: `user:password` for basic, the token for
    bearer. `current` is the subscription to change, None for a new one.
    """
    fields: Fields = {}
    for part in (_texts, _types, _filter, _schedule, _numbers, _headers, _credentials, _endpoint):
        found = part(given, current)
        if isinstance(found, Problem):
            return found
        fields |= found
    plain = ("tenant", "adaptive", "ordered", "format")
    return fields | {name: given[name] for name in plain if name in given}


def check_secret(text: str) -> Problem | None:
    """What is wrong with a signing secret that somebody brought along."""
    wrong = signing.check_secret(text)
    return None if wrong is None else _invalid("/secret", wrong)


def new_secret(kind: Literal["hmac", "ed25519"]) -> str:
    """A `whsec_` secret, or a `whsk_` key whose public half receivers are given."""
    if kind == "ed25519":
        return signing.new_signing_key(os.urandom(signing.SEED_BYTES))
    return signing.new_secret(os.urandom(32))


def resolve(endpoint: Endpoint, *, seconds: float = LOOK_UP) -> Sequence[Address] | Refused:
    """Every address that an endpoint's host has now."""
    asked = _lookups.submit(
        socket.getaddrinfo, endpoint.host, endpoint.port, type=socket.SOCK_STREAM
    )
    try:
        found = asked.result(timeout=seconds)
    except TimeoutError:
        return Refused(f"{endpoint.host} could not be resolved within {seconds:g} seconds.")
    except OSError as error:
        return Refused(f"{endpoint.host} cannot be resolved: {error.strerror or error}.")
    return [ip_address(address[4][0]) for address in found]


def _endpoint(given: Given, _current: Subscription | None) -> Fields | Problem:
    if "url" not in given:
        return {}
    allowed = settings.REDRIVE_ALLOW_ADDRESSES
    endpoint = parse_endpoint(given["url"], allowed=allowed)
    if isinstance(endpoint, Refused):
        return Problem(Code.INVALID_URL, endpoint.reason, pointer="/url")
    if endpoint.literal is None:
        found = resolve(endpoint)
        refused = (
            found
            if isinstance(found, Refused)
            else judge_addresses(endpoint.host, found, allowed=allowed)
        )
        if refused is not None:
            return Problem(Code.INVALID_URL, refused.reason, pointer="/url")
    return {"url": endpoint.url}


def _texts(given: Given, _current: Subscription | None) -> Fields | Problem:
    for name, most in (("name", NAME_MAX), ("tenant", TENANT_MAX)):
        text = given.get(name)
        if text is None:
            continue
        if (wrong := cloudevents.check_text(text)) is not None:
            return Problem(Code.INVALID_TEXT, wrong, pointer=f"/{name}")
        if len(text) > most:
            return _invalid(f"/{name}", f"It has {len(text)} characters. The limit is {most}.")
    if given.get("tenant") == "":
        return _invalid("/tenant", "A tenant has a name; leave it out for an operator's tap.")
    return {"name": given["name"]} if "name" in given else {}


def _types(given: Given, _current: Subscription | None) -> Fields | Problem:
    if "types" not in given:
        return {}
    types = list(dict.fromkeys(given["types"]))
    if not 1 <= len(types) <= TYPES_MAX:
        return _invalid("/types", f"Write 1 to {TYPES_MAX} patterns, such as order.* or **.")
    for number, pattern in enumerate(given["types"]):
        wrong = patterns.check(pattern) or cloudevents.check_text(pattern)
        if wrong is not None:
            return _invalid(f"/types/{number}", wrong)
    return {"types": types}


def _filter(given: Given, _current: Subscription | None) -> Fields | Problem:
    if "filter" not in given:
        return {}
    text = (given["filter"] or "").strip()
    if "\0" in text:
        return Problem(Code.INVALID_TEXT, "A filter has no NUL characters.", pointer="/filter")
    problem = filters.check(text) if text else None
    if problem is None:
        return {"filter": text}
    return Problem(
        Code.INVALID_FIELD, problem.message, pointer="/filter", position=problem.position
    )


def _schedule(given: Given, _current: Subscription | None) -> Fields | Problem:
    if "schedule" not in given:
        return {}
    wrong = retry.check_schedule(given["schedule"])
    if wrong is not None:
        return _invalid("/schedule", wrong)
    return {"schedule": [float(seconds) for seconds in given["schedule"]]}


def _numbers(given: Given, _current: Subscription | None) -> Fields | Problem:
    found: Fields = {}
    for name, (least, most) in RANGES.items():
        if name not in given:
            continue
        value = found[name] = given[name]
        # Written so that NaN fails too; only the rate may be absent.
        if value is None and name == "rate_limit":
            continue
        if value is None or not least <= value <= most:
            return _invalid(f"/{name}", f"It must be between {least:g} and {most:,g}.")
    return found


def _headers(given: Given, current: Subscription | None) -> Fields | Problem:
    if "headers" not in given:
        return {}
    headers: dict[str, str] = dict(current.headers) if current else {}
    for name, value in given["headers"].items():
        wrong = _wrong_header(name, value)
        if wrong is not None:
            return _invalid(f"/headers/{_escaped(name)}", wrong)
        headers.pop(name.lower(), None)
        if value is not None:
            headers[name.lower()] = encrypt(value)
    if len(headers) > HEADERS_MAX:
        return _invalid("/headers", f"It has {len(headers)} headers. The limit is {HEADERS_MAX}.")
    return {"headers": headers}


def _wrong_header(name: str, value: str | None) -> str | None:
    lower = name.lower()
    if _TOKEN.fullmatch(name) is None or len(name) > HEADER_NAME_MAX:
        return "A header's name is made of letters, digits and hyphens."
    if lower in _OURS or lower.startswith(_OUR_PREFIXES):
        return f"{lower} is set by Redrive or by HTTP itself. Choose another name."
    if value is not None and (_PRINTABLE.fullmatch(value) is None or len(value) > HEADER_VALUE_MAX):
        return (
            f"A header's value is 1 to {HEADER_VALUE_MAX} printable ASCII characters, "
            "without spaces at its ends."
        )
    return None


def _credentials(given: Given, current: Subscription | None) -> Fields | Problem:
    """Another way of authentication, and another host, take credentials of their own.

    Whoever may change a URL could otherwise have the stored ones sent to a host of theirs.
    """
    present = current.authentication if current else Authentication.NONE
    way = given.get("authentication", present)
    kept = current.headers if current else {}
    if way != Authentication.NONE and _sends_authorization(given.get("headers", {}), kept):
        return _invalid("/headers/authorization", f"It is made of the credentials for {way}.")
    text = given.get("credentials")
    if text is not None:
        wrong = _wrong_credentials(way, text)
        new = {"authentication": way, "credentials": encrypt(text)}
        return new if wrong is None else _invalid("/credentials", wrong)
    if way == present and not (way != Authentication.NONE and _moves_host(given, current)):
        return {}
    if way == Authentication.NONE:
        return {"authentication": way, "credentials": ""}
    return Problem(Code.MISSING_FIELD, f"{way} needs them.", pointer="/credentials")


def _moves_host(given: Given, current: Subscription | None) -> bool:
    if current is None or "url" not in given:
        return False
    old, new = urlsplit(current.url), urlsplit(given["url"])
    return (old.scheme, old.netloc) != (new.scheme, new.netloc)


def _sends_authorization(given: Mapping[str, str | None], kept: Mapping[str, str]) -> bool:
    named = {name.lower(): value for name, value in given.items()}
    return named.get("authorization", kept.get("authorization")) is not None


def _wrong_credentials(way: str, text: str) -> str | None:
    if way == Authentication.NONE:
        return "Set authentication to basic or bearer with them."
    if not text or len(text) > CREDENTIALS_MAX:
        return f"They have 1 to {CREDENTIALS_MAX} characters."
    if cloudevents.check_text(text) is not None:
        return "They hold a character that is not allowed."
    if way == Authentication.BASIC:
        return None if ":" in text else "Write user:password."
    return None if _PRINTABLE.fullmatch(text) and " " not in text else "A token has no spaces."


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _invalid(pointer: str, detail: str) -> Problem:
    return Problem(Code.INVALID_FIELD, detail, pointer=pointer)

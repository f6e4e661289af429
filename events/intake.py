"""The publish lane: POST /api/v1/events as a bare ASGI application, beside Django.

Reads, checks the key, parses, and waits for its commit. Nothing but Postgres is touched before
the answer; `on_commit` wakes the workers, and is called after the commit, off the answer's path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, assert_never

import msgspec
from django.db import DatabaseError, connection

from events.commits import Answer, Commits
from events.keys import Caller, keyring
from events.problems import CONTENT_TYPE, Code, Problem
from events.publish import Accepted, Conflict, Duplicate, GuardConflict, Identity, NewEvent, Receipt
from events.rules import ids
from events.rules.ids import Prefix
from events.wire import Batch, Limits, read

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_encode = msgspec.json.Encoder().encode

CONFLICT = "This identity was published before with other content, as {}."
KEY_CONFLICT = "This Idempotency-Key was used before with another body."


class Intake:
    """The ASGI application of the publish lane."""

    def __init__(
        self,
        *,
        limits: Limits,
        identity_ttl: float,
        on_commit: Callable[[], None],
    ) -> None:
        self._limits = limits
        self._commits = Commits(identity_ttl=identity_ttl, on_commit=on_commit)
        self._keys = ThreadPoolExecutor(1, "keys")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pairs = [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in scope["headers"]]
        headers = dict(pairs)
        if (twice := _sent_twice(pairs)) is not None:
            await _refuse(send, twice)
            return
        try:
            status, found = await self._handle(headers, receive)
        except GuardConflict:
            await _refuse(send, Problem(Code.IDENTITY_CONFLICT, KEY_CONFLICT))
        except DatabaseError:
            detail = "Nothing was stored. Try again with the same identity."
            await _refuse(send, Problem(Code.UNAVAILABLE, detail, retry_after=1))
        else:
            if isinstance(found, Problem):
                await _refuse(send, found)
            else:
                await _answer(send, status, _encode(found), [])

    async def _handle(
        self, headers: Mapping[str, str], receive: Receive
    ) -> tuple[int, dict[str, Any] | Problem]:
        caller = await self._caller(headers.get("authorization"))
        if isinstance(caller, Problem):
            return 0, caller
        status, found = await self._take(caller, headers, receive)
        for code in _refusals(found):
            keyring.refused(caller, code)
        return status, found

    async def _take(
        self, caller: Caller, headers: Mapping[str, str], receive: Receive
    ) -> tuple[int, dict[str, Any] | Problem]:
        body = await self._body(headers, receive)
        if isinstance(body, Problem):
            return 0, body
        found = read(headers, body, caller=caller, limits=self._limits)
        match found:
            case Problem():
                return 0, found
            case Batch():
                return await self._batch(found)
            case event:
                return await self._one(event)

    async def _one(self, event: NewEvent) -> tuple[int, dict[str, Any] | Problem]:
        answer = await self._publish([event])
        return (0, answer) if isinstance(answer, Problem) else _single(answer[0])

    async def _caller(self, header: str | None) -> Caller | Problem:
        caller = keyring.remembered(header, publishing=True)
        if caller is None:
            loop = asyncio.get_running_loop()
            caller = await loop.run_in_executor(self._keys, _check, header)
        if caller is None:
            detail = "Send Authorization: Bearer with an API key that exists and is not expired."
            return Problem(Code.UNAUTHORIZED, detail)
        if "publish" not in caller.scopes:
            return Problem(Code.FORBIDDEN, "This key lacks the scope publish.")
        return caller

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes | Problem:
        """The whole body, refused as soon as it is longer than any form may be."""
        if headers.get("content-encoding", "identity").lower() != "identity":
            return Problem(Code.CONTENT_ENCODING, "Send the body as it is, not compressed.")
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise asyncio.CancelledError
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._limits.batch:
                detail = f"A body has at most {self._limits.batch} bytes (REDRIVE_BATCH_MAX_BYTES)."
                return Problem(Code.BATCH_TOO_LARGE, detail)
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _publish(self, events: Sequence[NewEvent], guard: Identity | None = None) -> Answer:
        if self._commits.full:
            detail = "Too many publishes wait for Postgres. Nothing was stored."
            return Problem(Code.OVERLOADED, detail, retry_after=1)
        return await self._commits.add(events, guard)

    async def _batch(self, batch: Batch) -> tuple[int, dict[str, Any] | Problem]:
        """A result per item, in order; a repeat inside the batch gets what the first one got."""
        good = [item for item in batch.items if not isinstance(item, Problem)]
        first = {item.identity.key if item.identity else item.id: item for item in reversed(good)}
        firsts = [e for e in good if first[e.identity.key if e.identity else e.id] is e]
        receipts = await self._publish(firsts, batch.guard) if firsts else []
        if isinstance(receipts, Problem):
            return 0, receipts
        by_event = {event.id: receipt for event, receipt in zip(firsts, receipts, strict=True)}
        results = []
        for item in batch.items:
            if isinstance(item, Problem):
                results.append({"status": item.status, "error": item.body()})
            else:
                results.append(_item(item, first, by_event))
        return 202, {"data": results}


def _refusals(found: dict[str, Any] | Problem) -> Iterable[str]:
    """The code of each event that was not taken."""
    if isinstance(found, Problem):
        return [found.code]
    return [item["error"]["code"] for item in found.get("data", ()) if "error" in item]


def _sent_twice(pairs: Sequence[tuple[str, str]]) -> Problem | None:
    """A header that says what the event is must say it once."""
    names = [name for name, _ in pairs if name in _SINGLE or name.startswith("ce-")]
    for name in names:
        if names.count(name) > 1:
            detail = f"The header {name} was sent twice."
            return Problem(Code.INVALID_FIELD, detail, pointer=f"/{name}")
    return None


_SINGLE = frozenset({"authorization", "content-type", "idempotency-key"})


def _item(item: NewEvent, first: Mapping[Any, NewEvent], receipts: Mapping[Any, Receipt]) -> Any:
    original = first[item.identity.key if item.identity else item.id]
    receipt = receipts[original.id]
    if original is not item and not isinstance(receipt, Conflict):
        same = item.identity == original.identity
        receipt = Duplicate(receipt.id) if same else Conflict(receipt.id)
    status, found = _single(receipt)
    if isinstance(found, Problem):
        return {"status": found.status, "error": found.body()}
    return {"status": status, **found}


def _single(receipt: Receipt) -> tuple[int, dict[str, Any] | Problem]:
    public_id = ids.encode(Prefix.EVENT, receipt.id)
    match receipt:
        case Accepted(deliveries=deliveries):
            return 202, {"id": public_id, "duplicate": False, "deliveries": deliveries}
        case Duplicate():
            return 200, {"id": public_id, "duplicate": True}
        case Conflict():
            return 0, Problem(Code.IDENTITY_CONFLICT, CONFLICT.format(public_id))
        case _:
            assert_never(receipt)


def _check(header: str | None) -> Caller | None:
    try:
        return keyring.check(header, publishing=True)
    except DatabaseError:
        connection.close()
        raise


async def _refuse(send: Send, problem: Problem) -> None:
    headers = [(k.encode(), v.encode()) for k, v in problem.headers()]
    await _answer(send, problem.status, _encode(problem.body()), headers, CONTENT_TYPE)


async def _answer(
    send: Send,
    status: int,
    body: bytes,
    headers: list[tuple[bytes, bytes]],
    content_type: str = "application/json",
) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

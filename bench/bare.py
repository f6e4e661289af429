"""The ceiling of a publish: an ASGI application that reads a body and answers, and does no more."""

from __future__ import annotations

from typing import Any

ANSWER = b'{"id":"evt_00000000000000000000000000","duplicate":false,"deliveries":0}'
HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(ANSWER)).encode()),
]


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers every request alike."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 202, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})

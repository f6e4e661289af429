"""The static files: each is read and compressed once. Granian would send them as they are."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROUTE = "/static/"

FRESH = b"public, max-age=300"
"""The names carry no hash: a new version is to be seen soon."""

Headers = list[tuple[bytes, bytes]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class File:
    """`small` is the body compressed with gzip."""

    body: bytes
    small: bytes
    kind: str

    @property
    def tag(self) -> bytes:
        return b'W/"%s"' % hashlib.sha256(self.body).hexdigest()[:16].encode()


class Files:
    """Those that lie below a folder when it is made; nothing else has an address."""

    def __init__(self, root: Path) -> None:
        found = (path for path in root.rglob("*") if path.is_file())
        self._paths = {ROUTE + path.relative_to(root).as_posix(): path for path in found}
        self._read: dict[str, File] = {}

    async def __call__(self, scope: Mapping[str, Any], send: Send) -> None:
        file = self._file(scope["path"]) if scope["method"] in ("GET", "HEAD") else None
        if file is None:
            await _answer(send, 404, [])
            return
        asked = dict(scope["headers"])
        headers = [
            (b"cache-control", FRESH),
            (b"etag", file.tag),
            (b"vary", b"accept-encoding"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if asked.get(b"if-none-match") == file.tag:
            await _answer(send, 304, headers)
            return
        headers.append((b"content-type", file.kind.encode()))
        body = file.body
        if b"gzip" in asked.get(b"accept-encoding", b""):
            headers.append((b"content-encoding", b"gzip"))
            body = file.small
        headers.append((b"content-length", b"%d" % len(body)))
        await _answer(send, 200, headers, b"" if scope["method"] == "HEAD" else body)

    def _file(self, path: str) -> File | None:
        if path not in self._read and path in self._paths:
            self._read[path] = _read(self._paths[path])
        return self._read.get(path)


def _read(path: Path) -> File:
    body = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    text = kind.startswith("text/") or kind.endswith(("javascript", "json", "xml"))
    return File(body, gzip.compress(body, 9), f"{kind}; charset=utf-8" if text else kind)


async def _answer(send: Send, status: int, headers: Headers, body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

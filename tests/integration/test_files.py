"""Static files: compressed for whoever asks, kept by browsers; nothing else has an address."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from config.files import Files

TEXT = b"a { color: red }\n" * 100


@pytest.fixture
def files(tmp_path: Path) -> Files:
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "page.css").write_bytes(TEXT)
    return Files(tmp_path)


async def ask(
    files: Files, path: str, method: str = "GET", **headers: str
) -> tuple[int, Any, bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await files({"path": path, "method": method, "headers": named}, send)
    start, body = sent
    return start["status"], dict(start["headers"]), body["body"]


async def test_a_file_is_sent_compressed_to_whoever_takes_it(files: Files) -> None:
    status, headers, body = await ask(files, "/static/css/page.css", accept_encoding="br, gzip")
    assert (status, headers[b"content-encoding"]) == (200, b"gzip")
    assert headers[b"content-type"] == b"text/css; charset=utf-8"
    assert headers[b"content-length"] == b"%d" % len(body)
    assert gzip.decompress(body) == TEXT
    _, headers, body = await ask(files, "/static/css/page.css")
    assert b"content-encoding" not in headers
    assert body == TEXT


async def test_a_file_that_is_known_is_not_sent_again(files: Files) -> None:
    _, headers, _ = await ask(files, "/static/css/page.css")
    tag = headers[b"etag"].decode()
    status, _, body = await ask(files, "/static/css/page.css", if_none_match=tag)
    assert (status, body) == (304, b"")


@pytest.mark.parametrize("path", ["/static/", "/static/css", "/static/../conftest.py", "/static/x"])
async def test_nothing_else_has_an_address(files: Files, path: str) -> None:
    assert (await ask(files, path))[0] == 404


async def test_nothing_can_be_posted_to_a_file(files: Files) -> None:
    assert (await ask(files, "/static/css/page.css", method="POST"))[0] == 404

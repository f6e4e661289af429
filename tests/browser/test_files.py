"""Static files: compressed for whoever asks, kept by browsers; nothing else has an address."""

from __future__ import annotations

import gzip
from email.message import Message
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.conf import settings

from bench.stack import Stack

PAGE = "/static/css/base.css"


def ask(stack: Stack, path: str, **headers: str) -> tuple[int, Message, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urlopen(Request(stack.url + path, headers=named)) as answer:  # noqa: S310 - ours
            return answer.status, answer.headers, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_a_file_is_sent_compressed_to_whoever_takes_it(stack: Stack) -> None:
    text = (settings.BASE_DIR / "static" / "css" / "base.css").read_bytes()
    status, headers, body = ask(stack, PAGE, accept_encoding="br, gzip")
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert headers["content-type"].startswith("text/css")
    assert headers["x-content-type-options"] == "nosniff"
    assert gzip.decompress(body) == text
    _, headers, body = ask(stack, PAGE)
    assert headers["content-encoding"] is None
    assert body == text


def test_a_file_that_is_known_is_not_sent_again(stack: Stack) -> None:
    _, headers, _ = ask(stack, PAGE)
    status, _, body = ask(stack, PAGE, if_none_match=headers["etag"])
    assert (status, body) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/static/", "/static/css", "/static/../config/settings.py", "/static/none.css"]
)
def test_nothing_else_has_an_address(stack: Stack, path: str) -> None:
    assert ask(stack, path)[0] == 404

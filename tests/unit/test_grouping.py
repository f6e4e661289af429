"""Deaths are alike if what they say is, once what varies from one to the next is taken out."""

from __future__ import annotations

from uuid import UUID

import pytest

from dlq.rules import SAMPLE, normalise, signature, words_of

TO, OTHER = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"order 4711 is unknown", "order # is unknown"),
        (b"id 017F22E2-79B0-7CC3-98C4-DC0C0C07398F!", "id #!"),
        (b"at 0xDEADBEEF", "at #"),
        (b"trace ABCDEF0123456789 ended", "trace # ended"),
        (b"a face and a bad cafe", "a face and a bad cafe"),
        (b"  two\n\tlines  \r\n", "two lines"),
        (b"nul\0s vanish", "nuls vanish"),
        (b"\xff\xfe broken", "\ufffd\ufffd broken"),
        ("größer".encode(), "größer"),
        (b"", ""),
    ],
)
def test_what_varies_is_replaced(body: bytes, words: str) -> None:
    assert normalise(body) == words


def test_the_first_characters_count() -> None:
    assert normalise(b"x" * 1_000) == "x" * SAMPLE
    # Four bytes a character at most are read, before anything is replaced.
    assert normalise(b" " * (4 * SAMPLE - 1) + b"xy") == "x"
    assert normalise("é".encode() * SAMPLE) == "é" * SAMPLE


def test_a_group_is_of_one_endpoint_one_kind_and_one_wording() -> None:
    known = signature(TO, "responded", 500, "oops")
    assert known == UUID("917c0549-32a3-1fdf-d8a1-25a3dba24ebd")
    others = [
        signature(OTHER, "responded", 500, "oops"),
        signature(TO, "unreachable", 500, "oops"),
        signature(TO, "responded", 502, "oops"),
        signature(TO, "responded", None, "oops"),
        signature(TO, "responded", 500, "ooops"),
        # The parts do not run into each other.
        signature(TO, "responded5", 0, "oops"),
    ]
    assert len({known, *others}) == 7


def test_a_group_is_told_by_the_response_else_by_the_error() -> None:
    assert words_of("timed out after 15 s", b"order 1") == "order #"
    assert words_of("timed out after 15 s", b"  ") == "timed out after # s"

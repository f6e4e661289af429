from __future__ import annotations

import hashlib
import hmac
import time
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import TypedDict

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

from events.rules.signing import (
    check_secret,
    new_secret,
    new_signing_key,
    public_key,
    sign_v1,
    sign_v1a,
    signature_header,
    verify_header,
    verify_v1,
    verify_v1a,
)


class Message(TypedDict):
    webhook_id: str
    timestamp: int
    body: bytes


SEED = bytes(range(32))
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PUBLIC = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
PRIVATE = new_signing_key(SEED)
V1 = "v1,QYzuQorjRse5BYAj/KnOr0Q7sM/hL4PDU3IWwwXPTgs="
V1A = "v1a,3msD8wcOX/tsLtPdwTBBdRBxD48OTpTQqY56stpUwEx6aXM2wj4qCqW4QDG1nKMZAgeRKZPM+8oXDcolCA0HBQ=="
MESSAGE = Message(
    webhook_id="dlv_01JZ8Q4X7N3T5V9B2K6M0C1D8E",
    timestamp=1_750_000_000,
    body=b'{"type":"order.paid","data":{"n":1}}',
)
BINARY = Message(webhook_id=MESSAGE["webhook_id"], timestamp=1_750_000_000, body=b"\xff\x00\xfe")
CONTENT = b"dlv_01JZ8Q4X7N3T5V9B2K6M0C1D8E.1750000000." + MESSAGE["body"]


def test_v1_is_the_known_vector() -> None:
    assert new_secret(SEED) == SECRET
    assert sign_v1(SECRET, **MESSAGE) == V1


def test_v1_is_over_bytes_that_need_not_be_text() -> None:
    assert sign_v1(SECRET, **BINARY) == "v1,jJFiOQT31ugISpDE/nzUTHxOijwP7ORRj0dVt/3HXyY="


def test_v1a_is_the_known_vector() -> None:
    assert public_key(PRIVATE) == PUBLIC
    assert sign_v1a(PRIVATE, **MESSAGE) == V1A


def test_a_signing_key_is_the_seed_and_the_public_half() -> None:
    assert b64decode(PRIVATE.removeprefix("whsk_")) == SEED + b64decode(
        PUBLIC.removeprefix("whpk_")
    )


def test_a_bare_seed_signs_alike() -> None:
    bare = "whsk_" + b64encode(SEED).decode()
    assert check_secret(bare) is None
    assert public_key(bare) == PUBLIC
    assert sign_v1a(bare, **MESSAGE) == V1A


def test_the_outside_library_signs_alike() -> None:
    at = datetime.fromtimestamp(MESSAGE["timestamp"], UTC)
    theirs = Webhook(SECRET).sign(MESSAGE["webhook_id"], at, MESSAGE["body"].decode())
    assert sign_v1(SECRET, **MESSAGE) == theirs


def test_the_outside_library_accepts_our_header_in_a_rotation() -> None:
    now = Message(webhook_id="dlv_1", timestamp=int(time.time()), body=b'{"n": 1}')
    old = new_secret(bytes(24))
    headers = {
        "webhook-id": now["webhook_id"],
        "webhook-timestamp": str(now["timestamp"]),
        "webhook-signature": signature_header([SECRET, old, PRIVATE], **now),
    }
    assert Webhook(SECRET).verify(now["body"], headers) == {"n": 1}
    assert Webhook(old).verify(now["body"], headers) == {"n": 1}


def test_the_standard_library_judges_v1_and_cryptography_v1a() -> None:
    expected = hmac.new(SEED, CONTENT, hashlib.sha256).digest()
    assert b64encode(expected).decode() == V1.removeprefix("v1,")
    verifier = Ed25519PublicKey.from_public_bytes(b64decode(PUBLIC.removeprefix("whpk_")))
    verifier.verify(b64decode(V1A.removeprefix("v1a,")), CONTENT)


def test_the_header_holds_one_signature_a_key_in_order() -> None:
    assert signature_header([PRIVATE, SECRET], **MESSAGE) == f"{V1A} {V1}"
    assert signature_header([SECRET], **MESSAGE) == V1
    assert signature_header([], **MESSAGE) == ""


def test_a_signature_is_verified_by_its_own_key_only() -> None:
    other = new_signing_key(bytes(32))
    assert verify_v1(SECRET, V1, **MESSAGE)
    assert not verify_v1(new_secret(bytes(24)), V1, **MESSAGE)
    assert verify_v1a(PUBLIC, V1A, **MESSAGE)
    assert not verify_v1a(public_key(other), V1A, **MESSAGE)


@pytest.mark.parametrize(
    "junk", ["", "v1", "v1,", "v1a,", "v1a,A", "v1a,AAAA", "v1a,é", "v2,AAAA", V1, "v1," + V1A[4:]]
)
def test_junk_is_no_v1a_signature(junk: str) -> None:
    assert not verify_v1a(PUBLIC, junk, **MESSAGE)


@pytest.mark.parametrize(
    "junk", ["", "v1", "v1,", "v1,é", "v1,\ud800", V1A, V1.removeprefix("v1,")]
)
def test_junk_is_no_v1_signature(junk: str) -> None:
    assert not verify_v1(SECRET, junk, **MESSAGE)


def test_a_header_is_good_if_one_signature_fits_one_key() -> None:
    stranger = new_secret(bytes(24))
    assert verify_header([stranger, SECRET], f"v1,AAAA {V1}", **MESSAGE)
    assert verify_header([PUBLIC], f"{V1} {V1A}", **MESSAGE)
    assert not verify_header([stranger], f"{V1} {V1A}", **MESSAGE)
    assert not verify_header([SECRET], "", **MESSAGE)
    assert not verify_header([], V1, **MESSAGE)


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_secret_has_24_to_64_bytes(size: int) -> None:
    assert check_secret(new_secret(bytes(size))) is None


@pytest.mark.parametrize("size", [0, 23, 65])
def test_a_shorter_or_longer_secret_is_neither_made_nor_taken(size: int) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes"):
        new_secret(bytes(size))
    wrong = check_secret("whsec_" + b64encode(bytes(size)).decode())
    assert wrong == "A whsec_ secret holds 24 to 64 bytes."


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_signing_key_is_made_of_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        new_signing_key(bytes(size))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "A signing secret starts with whsec_ or whsk_."),
        (PUBLIC, "A signing secret starts with whsec_ or whsk_."),
        ("whsec_not base64!", "What follows whsec_ is not base64."),
        (SECRET + "\n", "What follows whsec_ is not base64."),
        (SECRET.rstrip("="), "What follows whsec_ is not base64."),
        ("whsec_é", "What follows whsec_ is not base64."),
        ("whsk_%", "What follows whsk_ is not base64."),
        ("whsk_" + b64encode(bytes(31)).decode(), "A whsk_ key holds 32 or 64 bytes."),
        ("whsk_" + b64encode(bytes(65)).decode(), "A whsk_ key holds 32 or 64 bytes."),
        (
            "whsk_" + b64encode(SEED + bytes(32)).decode(),
            "The public half of the whsk_ key is not that of its private half.",
        ),
    ],
)
def test_a_wrong_secret_is_told_why_without_being_quoted(text: str, wrong: str) -> None:
    assert check_secret(text) == wrong


def test_a_key_of_the_wrong_kind_cannot_sign_or_verify() -> None:
    with pytest.raises(ValueError, match="must start with whsec_"):
        sign_v1(PUBLIC, **MESSAGE)
    with pytest.raises(ValueError, match="must start with whsk_"):
        sign_v1a(SECRET, **MESSAGE)
    with pytest.raises(ValueError, match="must start with whpk_"):
        verify_v1a(PRIVATE, V1A, **MESSAGE)
    with pytest.raises(ValueError, match="whpk_ key holds 32 bytes"):
        verify_v1a("whpk_AAAA", V1A, **MESSAGE)


def test_an_unreadable_key_leaves_no_trace_of_itself() -> None:
    with pytest.raises(ValueError, match="is not base64") as caught:
        sign_v1("whsec_canary!", **MESSAGE)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "canary" not in str(caught.value)

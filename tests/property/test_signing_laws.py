from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
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

SECRETS = st.binary(min_size=24, max_size=64).map(new_secret)
KEYS = st.binary(min_size=32, max_size=32).map(new_signing_key)
IDS = st.from_regex(r"[a-z]{3}_[0-9A-Z]{26}", fullmatch=True)
TIMES = st.integers(0, 2**40)
BODIES = st.binary(max_size=200)


@given(SECRETS, IDS, st.integers(0, 4_000_000_000), st.text(max_size=100))
def test_the_outside_library_always_signs_alike(
    secret: str, webhook_id: str, timestamp: int, text: str
) -> None:
    theirs = Webhook(secret).sign(webhook_id, datetime.fromtimestamp(timestamp, UTC), text)
    body = text.encode()
    assert sign_v1(secret, webhook_id=webhook_id, timestamp=timestamp, body=body) == theirs


@given(SECRETS, KEYS, IDS, TIMES, BODIES)
def test_what_is_signed_is_verified(
    secret: str, key: str, webhook_id: str, timestamp: int, body: bytes
) -> None:
    v1 = sign_v1(secret, webhook_id=webhook_id, timestamp=timestamp, body=body)
    v1a = sign_v1a(key, webhook_id=webhook_id, timestamp=timestamp, body=body)
    assert verify_v1(secret, v1, webhook_id=webhook_id, timestamp=timestamp, body=body)
    assert verify_v1a(public_key(key), v1a, webhook_id=webhook_id, timestamp=timestamp, body=body)


@given(SECRETS, KEYS, IDS, TIMES, BODIES, BODIES)
def test_another_body_or_second_is_never_verified(
    secret: str, key: str, webhook_id: str, timestamp: int, body: bytes, other: bytes
) -> None:
    header = signature_header([secret, key], webhook_id=webhook_id, timestamp=timestamp, body=body)
    keys = [secret, public_key(key)]
    good = verify_header(keys, header, webhook_id=webhook_id, timestamp=timestamp, body=other)
    assert good == (body == other)
    assert not verify_header(
        keys, header, webhook_id=webhook_id, timestamp=timestamp + 1, body=body
    )


@given(st.lists(SECRETS | KEYS, max_size=4), IDS, TIMES, BODIES)
def test_the_header_has_a_signature_for_each_key_and_never_the_key(
    keys: list[str], webhook_id: str, timestamp: int, body: bytes
) -> None:
    header = signature_header(keys, webhook_id=webhook_id, timestamp=timestamp, body=body)
    assert len(header.split()) == len(keys)
    assert all(key not in header for key in keys)


@given(st.text(max_size=60) | st.text(max_size=60).map(lambda text: f"whsec_{text}"))
def test_a_bad_secret_is_described_and_never_raises(text: str) -> None:
    wrong = check_secret(text)
    assert wrong is None or wrong.endswith(".")


@given(st.text(max_size=120), SECRETS, KEYS)
def test_no_header_can_break_the_verifier(header: str, secret: str, key: str) -> None:
    keys = [secret, public_key(key)]
    assert not verify_header(keys, header, webhook_id="dlv_1", timestamp=1, body=b"")

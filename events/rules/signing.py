"""Standard Webhooks signatures: `v1` (HMAC-SHA256, `whsec_`) and `v1a` (Ed25519, `whsk_`, `whpk_`).

Both sign `{webhook-id}.{webhook-timestamp}.{body}`; the timestamp is the integer Unix seconds of
this attempt, and the id holds no dot. A `whsk_` key is the base64 of seed ‖ public (64 bytes); the
bare seed (32) is taken too. A key that cannot be read raises ValueError, which never quotes it.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SYMMETRIC = "whsec_"
PRIVATE = "whsk_"
PUBLIC = "whpk_"
MIN_SECRET_BYTES = 24
MAX_SECRET_BYTES = 64
SEED_BYTES = 32

# Reading an Ed25519 key costs more than signing with it, and each key signs many deliveries.
_KEPT_KEYS = 4096


def new_secret(random: bytes) -> str:
    """A `whsec_` secret of 24 to 64 random bytes."""
    if not MIN_SECRET_BYTES <= len(random) <= MAX_SECRET_BYTES:
        raise ValueError("A secret is made of 24 to 64 bytes.")
    return SYMMETRIC + b64encode(random).decode()


def new_signing_key(seed: bytes) -> str:
    """A `whsk_` key from 32 random bytes."""
    if len(seed) != SEED_BYTES:
        raise ValueError("A signing key is made of 32 bytes.")
    return PRIVATE + b64encode(seed + _public_of(seed)).decode()


def public_key(private: str) -> str:
    """The `whpk_` key that verifies what a `whsk_` key signs."""
    return PUBLIC + b64encode(_public_of(_seed(private))).decode()


def check_secret(text: str) -> str | None:
    """Say what is wrong with a `whsec_` or `whsk_` key; None if it can sign."""
    if not text.startswith((SYMMETRIC, PRIVATE)):
        return "A signing secret starts with whsec_ or whsk_."
    try:
        _symmetric(text) if text.startswith(SYMMETRIC) else _seed(text)
    except ValueError as error:
        return str(error)
    return None


def sign_v1(secret: str, *, webhook_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the base64 of the HMAC-SHA256, with a `whsec_` secret."""
    return _sign_v1(secret, _content(webhook_id, timestamp, body))


def sign_v1a(private: str, *, webhook_id: str, timestamp: int, body: bytes) -> str:
    """`v1a,` and the base64 of the Ed25519 signature, with a `whsk_` key."""
    return _sign_v1a(private, _content(webhook_id, timestamp, body))


def signature_header(keys: Sequence[str], *, webhook_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one signature a key, in the order of the keys."""
    content = _content(webhook_id, timestamp, body)
    return " ".join(
        _sign_v1a(key, content) if key.startswith(PRIVATE) else _sign_v1(key, content)
        for key in keys
    )


def verify_v1(secret: str, signature: str, *, webhook_id: str, timestamp: int, body: bytes) -> bool:
    """Whether one `v1,…` signature is the secret's."""
    expected = sign_v1(secret, webhook_id=webhook_id, timestamp=timestamp, body=body)
    return hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))


def verify_v1a(
    public: str, signature: str, *, webhook_id: str, timestamp: int, body: bytes
) -> bool:
    """Whether one `v1a,…` signature was made by the private half of a `whpk_` key."""
    version, _, encoded = signature.partition(",")
    if version != "v1a":
        return False
    key = _verifier(public)
    try:
        key.verify(b64decode(encoded, validate=True), _content(webhook_id, timestamp, body))
    except (InvalidSignature, ValueError):
        return False
    return True


def verify_header(
    keys: Sequence[str], header: str, *, webhook_id: str, timestamp: int, body: bytes
) -> bool:
    """Whether any signature of a `webhook-signature` value fits any `whsec_` or `whpk_` key."""
    return any(
        (verify_v1a if key.startswith(PUBLIC) else verify_v1)(
            key, signature, webhook_id=webhook_id, timestamp=timestamp, body=body
        )
        for signature in header.split(" ")
        for key in keys
    )


def _content(webhook_id: str, timestamp: int, body: bytes) -> bytes:
    return f"{webhook_id}.{timestamp}.".encode() + body


def _sign_v1(secret: str, content: bytes) -> str:
    return "v1," + b64encode(hmac.digest(_symmetric(secret), content, "sha256")).decode()


def _sign_v1a(private: str, content: bytes) -> str:
    return "v1a," + b64encode(_signer(private).sign(content)).decode()


@lru_cache(_KEPT_KEYS)
def _symmetric(secret: str) -> bytes:
    key = _decode(secret, SYMMETRIC)
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise ValueError("A whsec_ secret holds 24 to 64 bytes.")
    return key


@lru_cache(_KEPT_KEYS)
def _signer(private: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_seed(private))


@lru_cache(_KEPT_KEYS)
def _verifier(public: str) -> Ed25519PublicKey:
    key = _decode(public, PUBLIC)
    if len(key) != SEED_BYTES:
        raise ValueError("A whpk_ key holds 32 bytes.")
    return Ed25519PublicKey.from_public_bytes(key)


def _seed(private: str) -> bytes:
    key = _decode(private, PRIVATE)
    seed, public = key[:SEED_BYTES], key[SEED_BYTES:]
    if len(seed) != SEED_BYTES or len(public) not in {0, SEED_BYTES}:
        raise ValueError("A whsk_ key holds 32 or 64 bytes.")
    # Receivers would be given this public half, and every signature would fail with them.
    if public and public != _public_of(seed):
        raise ValueError("The public half of the whsk_ key is not that of its private half.")
    return seed


def _public_of(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _decode(text: str, prefix: str) -> bytes:
    if not text.startswith(prefix):
        raise ValueError(f"The key must start with {prefix}.")
    try:
        return b64decode(text.removeprefix(prefix), validate=True)
    except (binascii.Error, ValueError):
        # Without the cause: its message may hold a part of the key.
        raise ValueError(f"What follows {prefix} is not base64.") from None

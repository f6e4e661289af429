"""Secrets at rest: encrypted with the first of REDRIVE_SECRET_KEYS, readable with any of them."""

from __future__ import annotations

from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Unreadable(Exception):
    """None of the configured keys opens this secret."""


@lru_cache(maxsize=1)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(text: str) -> str:
    return _fernet(tuple(settings.REDRIVE_SECRET_KEYS)).encrypt(text.encode()).decode()


def renewed(text: str) -> str:
    """The same secret under the first key; as it is if it is that already. Raises Unreadable."""
    try:
        Fernet(settings.REDRIVE_SECRET_KEYS[0]).decrypt(text.encode())
    except InvalidToken:
        return encrypt(decrypt(text))
    return text


def decrypt(text: str) -> str:
    """Raises Unreadable where the key that encrypted it is no longer configured."""
    try:
        return _fernet(tuple(settings.REDRIVE_SECRET_KEYS)).decrypt(text.encode()).decode()
    except InvalidToken:
        raise Unreadable(
            "a stored secret was encrypted with a key that REDRIVE_SECRET_KEYS no longer has"
        ) from None

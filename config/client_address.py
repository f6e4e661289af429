"""Where a request comes from, for the count of wrong passwords."""

from __future__ import annotations

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """The address that the outermost trusted proxy saw; without proxies, that of the connection.

    Each proxy adds one address on the right, and whatever is further left was sent by the client,
    who may write there what they like.
    """
    near: str | None = request.META.get("REMOTE_ADDR") or None
    proxies = settings.REDRIVE_TRUSTED_PROXIES
    seen = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    if not proxies or len(seen) < proxies:
        return near
    try:
        return str(ip_address(seen[-proxies]))
    except ValueError:
        return near

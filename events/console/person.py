"""The person behind a request, as the audit log and the pages know them."""

from __future__ import annotations

from django.http import HttpRequest

from events.roles import Role, role_in


def actor_of(request: HttpRequest) -> str:
    """Set apart from `key:…` and from `redrive` itself, whatever name somebody chose."""
    return f"user:{request.user.get_username()}"


def may_operate(request: HttpRequest) -> bool:
    """Whether payloads and header values may be shown."""
    return role_in(request) >= Role.OPERATOR

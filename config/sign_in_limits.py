"""How often passwords may be guessed: five times for one user from one address, fifty from one.

The first limit is that of axes, which knows one number of tries only; the second counts the
failures that axes keeps of an address, whomever they were for.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessFailureLog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

GUESSES = 50
"""Wrong passwords that one address may send within a WINDOW, for all users together."""

WINDOW = timedelta(hours=1)


class SignInLimits(AxesDatabaseHandler):  # type: ignore[misc]
    """What axes asks whether somebody may try, and tells who was wrong."""

    def is_locked(self, request: Any, credentials: dict[str, Any] | None = None) -> bool:
        return super().is_locked(request, credentials) or is_guessing(request)

    def user_login_failed(
        self,
        sender: Any,
        credentials: dict[str, Any],
        request: HttpRequest | None = None,
        **kwargs: Any,
    ) -> None:
        """Forgets what no limit counts any more, so that guessing does not fill the table."""
        AccessFailureLog.objects.filter(attempt_time__lt=timezone.now() - WINDOW).delete()
        super().user_login_failed(sender, credentials, request, **kwargs)

    def reset_attempts(
        self,
        *,
        ip_address: str | None = None,
        username: str | None = None,
        ip_or_username: bool = False,
    ) -> int:
        """As `manage.py axes_reset` and its kin ask: an address is let in again, or all are."""
        if ip_address is not None or username is None:
            given = {} if ip_address is None else {"ip_address": ip_address}
            AccessFailureLog.objects.filter(**given).delete()
        return int(
            super().reset_attempts(
                ip_address=ip_address, username=username, ip_or_username=ip_or_username
            )
        )


def is_guessing(request: Any) -> bool:
    """Whether too many wrong passwords came from where this request comes from."""
    since = timezone.now() - WINDOW
    tries = AccessFailureLog.objects.filter(
        ip_address=request.axes_ip_address, attempt_time__gte=since
    )
    return int(tries.count()) >= GUESSES


def locked(request: HttpRequest, *_told: object) -> HttpResponse:
    """The page of whoever may not try for now, with which limit it was and when it ends."""
    by_address = is_guessing(request)
    wait = WINDOW if by_address else timedelta(hours=settings.AXES_COOLOFF_TIME)
    context = {
        "username": request.POST.get("username", ""),
        "limit": GUESSES if by_address else settings.AXES_FAILURE_LIMIT,
        "by_address": by_address,
        "minutes": int(wait.total_seconds() / 60),
    }
    response = render(request, "accounts/locked.html", context, status=429)
    response["Retry-After"] = str(int(wait.total_seconds()))
    return response

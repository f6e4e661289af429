"""What a reader chose for this browser: the theme and the zone of all times. Kept in cookies."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

THEMES = ["auto", "light", "dark"]
YEAR = 365 * 86_400

_ZONES = available_timezones()


def theme_of(request: HttpRequest) -> str:
    chosen = request.COOKIES.get("theme", "")
    return chosen if chosen in THEMES else "auto"


class ZoneMiddleware:
    """Shows every time of a request in the one zone that the reader chose; UTC if none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = request.COOKIES.get("zone", "UTC")
        with timezone.override(ZoneInfo(name if name in _ZONES else "UTC")):
            return self.get_response(request)


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Keeps the choice and goes back to where it was made."""
    back = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}):
        back = "/"
    response = redirect(back)
    for name, allowed in (("theme", THEMES), ("zone", _ZONES)):
        value = request.POST.get(name)
        if value is not None and value in allowed:
            response.set_cookie(
                name, value, max_age=YEAR, samesite="Lax", secure=settings.REDRIVE_TLS
            )
    return response

"""Signing out: ends the session, and the sockets of its other tabs."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from monitoring import pulse
from monitoring.consumers import digest


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    key = request.session.session_key
    logout(request)
    if key:
        pulse.send_signed_out(digest(key))
    return redirect(settings.LOGOUT_REDIRECT_URL)

"""What every page of the console is given: its navigation, preferences and newest sample."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from events.console.nav import nav
from events.roles import Role, role_in
from monitoring.models import Sample
from monitoring.preferences import THEMES, theme_of


def console(request: HttpRequest) -> dict[str, object]:
    role = role_in(request) if hasattr(request, "user") else Role.NOBODY
    zone = timezone.get_current_timezone_name()
    return {
        "nav": nav(request.path, role) if role else [],
        "head": SimpleLazyObject(Sample.objects.newest),
        "theme": theme_of(request),
        "themes": THEMES,
        "zone": zone,
        "zone_name": zone.rpartition("/")[2].replace("_", " "),
    }

"""People who look at the console, each signed in: run on a stack by `manage.py shell`."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client

from events.roles import Role


def sign_in(many: int, role: str) -> list[str]:
    """The session keys of that many people in a role."""
    group = Group.objects.get(name=Role(role))
    found = []
    for number in range(many):
        user = User.objects.create_user(f"{role}-{number}")
        user.groups.add(group)
        client = Client()
        client.force_login(user, settings.AUTHENTICATION_BACKENDS[-1])
        found.append(client.cookies[settings.SESSION_COOKIE_NAME].value)
    return found

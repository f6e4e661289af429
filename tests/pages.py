"""People who look at pages: signed-in clients of each role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

from django.contrib.auth.models import Group, User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from events.roles import Role

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def person(role: Role, name: str = "") -> User:
    """A user of a role, named after it unless the test says otherwise."""
    user = User.objects.create_user(name or str(role), password="correct-horse-battery")
    user.groups.add(Group.objects.get_or_create(name=str(role))[0])
    return user


def signed_in(role: Role) -> Client:
    """A browser in which somebody of this role is signed in."""
    client = Client()
    client.force_login(person(role), backend="django.contrib.auth.backends.ModelBackend")
    return client


def text_of(response: HttpResponse) -> str:
    return response.content.decode()


def words_of(response: HttpResponse) -> str:
    """As a person reads it: without tags, each run of white space as one."""
    return " ".join(unescape(strip_tags(text_of(response).replace("<", " <"))).split())


@contextmanager
def at_most(queries: int) -> Iterator[None]:
    """Fails if the block makes more queries: the budget of a page is 12, of a fragment too."""
    with CaptureQueriesContext(connection) as made:
        yield
    assert len(made) <= queries, "\n".join(query["sql"][:200] for query in made)

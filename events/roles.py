"""Roles: what a signed-in person may do in the console.

A role is the user's highest group; a superuser is an admin. A view says what it needs with
`needs`, a template asks `may_operate` and `may_admin`, which `context` gives it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase

P = ParamSpec("P")


class Role(StrEnum):
    """In rising order. The groups of django.contrib.auth have the names of all but nobody's."""

    NOBODY = ""
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def __ge__(self, other: str) -> bool:
        return self.rank >= Role(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Role(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Role(other).rank

    def __lt__(self, other: str) -> bool:
        return self.rank < Role(other).rank


GIVEN = [Role.VIEWER, Role.OPERATOR, Role.ADMIN]
"""The roles that a user can be given."""


def role_of(user: AbstractBaseUser | AnonymousUser) -> Role:
    """The role of a user; nobody's for one who is not signed in, or is in no group."""
    if not isinstance(user, User) or not user.is_active:
        return Role.NOBODY
    if user.is_superuser:
        return Role.ADMIN
    groups = user.groups.filter(name__in=GIVEN).values_list("name", flat=True)
    return max((Role(name) for name in groups), default=Role.NOBODY)


@transaction.atomic
def give(user: User, role: Role) -> None:
    """Makes `role` the user's only one; `Role.NOBODY` takes it away."""
    user.groups.remove(*user.groups.filter(name__in=GIVEN))
    if role in GIVEN:
        user.groups.add(Group.objects.get_or_create(name=role)[0])


View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def needs(role: Role) -> Callable[[View[P]], View[P]]:
    """Lets a view be used from `role` on: others are sent to sign in, or get 403."""

    def wrap(view: View[P]) -> View[P]:
        @wraps(view)
        def checked(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if role_in(request) < role:
                raise PermissionDenied(f"This needs the role {role}.")
            return view(request, *args, **kwargs)

        return cast("View[P]", checked)

    return wrap


def role_in(request: HttpRequest) -> Role:
    """The role of a request's user, looked up once a request."""
    if not hasattr(request, "redrive_role"):
        request.redrive_role = role_of(request.user)  # type: ignore[attr-defined]
    return request.redrive_role  # type: ignore[attr-defined,no-any-return]


def context(request: HttpRequest) -> dict[str, object]:
    """For every template: `role`, `may_operate`, `may_admin`."""
    role = role_in(request) if hasattr(request, "user") else Role.NOBODY
    return {
        "role": role,
        "may_operate": role >= Role.OPERATOR,
        "may_admin": role >= Role.ADMIN,
    }

"""People: who may come in, as what, and from how many places they are signed in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from django import forms
from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from events import people
from events.console.acting import act
from events.console.live import render_again
from events.console.paging import Page, page_of
from events.console.person import actor_of
from events.operate import WrongState
from events.roles import GIVEN, Role, needs

ROLES = [
    (Role.VIEWER, "viewer: reads all but payloads and header values"),
    (Role.OPERATOR, "operator: also those; retries, replays, pauses"),
    (Role.ADMIN, "admin: everything"),
]


class PersonForm(forms.Form):
    name = forms.CharField(max_length=150, validators=[UnicodeUsernameValidator()])
    role = forms.ChoiceField(choices=ROLES)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=ROLES)


@dataclass(frozen=True, slots=True)
class Person:
    user: User
    role: Role
    sessions: int


@require_GET
@needs(Role.ADMIN)
def users(request: HttpRequest) -> HttpResponse:
    return _listed(request, PersonForm())


@require_POST
@needs(Role.ADMIN)
@never_cache
def user_new(request: HttpRequest) -> HttpResponse:
    """Adds somebody and shows the first password, this once."""
    form = PersonForm(request.POST)
    if not form.is_valid():
        return _listed(request, form, status=422)
    name, role = form.cleaned_data["name"], Role(form.cleaned_data["role"])
    try:
        person, password = people.add_person(actor=actor_of(request), name=name, role=role)
    except WrongState as error:
        form.add_error("name", str(error))
        return _listed(request, form, status=422)
    return _password(request, person, password, "Added")


@require_POST
@needs(Role.ADMIN)
def user_role(request: HttpRequest, person: int) -> HttpResponse:
    form = RoleForm(request.POST)
    if not form.is_valid():
        return redirect("users")
    role = Role(form.cleaned_data["role"])
    return act(
        request,
        partial(people.change_role, actor=actor_of(request), person=person, role=role),
        done=lambda before: f"The role is {role} now; it was {before or 'none'}.",
        back=reverse("users"),
    )


@require_POST
@needs(Role.ADMIN)
def user_deactivate(request: HttpRequest, person: int) -> HttpResponse:
    return act(
        request,
        partial(people.deactivate, actor=actor_of(request), person=person),
        done="Shut out, and signed out everywhere.",
        back=reverse("users"),
        undo=reverse("user-activate", args=[person]),
    )


@require_POST
@needs(Role.ADMIN)
def user_activate(request: HttpRequest, person: int) -> HttpResponse:
    return act(
        request,
        partial(people.activate, actor=actor_of(request), person=person),
        done="They may sign in again.",
        back=reverse("users"),
    )


@require_POST
@needs(Role.ADMIN)
@never_cache
def user_password(request: HttpRequest, person: int) -> HttpResponse:
    """Gives somebody a new password and shows it, this once."""
    row = get_object_or_404(User, id=person)
    password = people.renew_password(actor=actor_of(request), person=row.pk)
    return _password(request, row, password, "A new password for")


@require_POST
@needs(Role.ADMIN)
def user_sign_out(request: HttpRequest, person: int) -> HttpResponse:
    return act(
        request,
        partial(people.sign_out, actor=actor_of(request), person=person),
        done="Signed out everywhere.",
        back=reverse("users"),
    )


def _password(request: HttpRequest, person: User, password: str, done: str) -> HttpResponse:
    context = {
        "title": f"{done} {person.username}",
        "lede": "The password is shown this once and kept nowhere.",
        "person": person,
        "password": password,
    }
    return render(request, "events/user_password.html", context)


def _listed(request: HttpRequest, form: PersonForm, *, status: int = 200) -> HttpResponse:
    found = page_of(request, User.objects.prefetch_related("groups"))
    context = {
        "title": "Users",
        "lede": "Who may come in, and as what.",
        "form": form,
        "page": found,
        "rows": _people(found),
        "roles": ROLES,
    }
    return render_again(request, "events/users.html", context, status=status)


def _people(page: Page[User]) -> list[Person]:
    sessions = people.open_sessions()
    return [Person(user, _role(user), sessions[user.pk]) for user in page.rows]


def _role(user: User) -> Role:
    """As roles.role_of, from the groups that came with the page."""
    if user.is_superuser:
        return Role.ADMIN
    known = [Role(group.name) for group in user.groups.all() if group.name in GIVEN]
    return max(known, default=Role.NOBODY)

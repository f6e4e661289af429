"""The people who use the console: added, given a role, shut out; each act is audited."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction
from django.utils import timezone

from events import hooks
from events.audit import note
from events.operate import WrongState
from events.roles import Role, give, role_of

ACTIVE, SHUT_OUT = "active", "shut out"

SESSIONS_READ = 2_000
"""Sessions that are looked through for whose they are; their rows do not say."""


def watched(person: int) -> str:
    """The name under which `hooks.on_change` hears that somebody may do something else now."""
    return f"user-{person}"


@transaction.atomic
def add_person(*, actor: str, name: str, role: Role) -> tuple[User, str]:
    """Makes a user and a first password, which is shown once. Raises WrongState if known."""
    password = secrets.token_urlsafe(15)
    try:
        with transaction.atomic():
            person = User.objects.create_user(name, password=password)
    except IntegrityError:
        raise WrongState(f"There is a user {name} already.") from None
    _put_in(person, role)
    note(actor, "add-user", f"user:{name}", after={"role": role})
    return person, password


@transaction.atomic
def change_role(*, actor: str, person: int, role: Role) -> Role:
    """Gives the role before. Raises WrongState if it would leave nobody who is an admin."""
    _hold_admins()
    row = _held(person)
    before = role_of(row)
    if role is not Role.ADMIN:
        _refuse_if_last_admin(row)
    _put_in(row, role)
    note(
        actor, "change-role", f"user:{row.username}", before={"role": before}, after={"role": role}
    )
    hooks.changed_on_commit(watched(row.id))
    return before


@transaction.atomic
def deactivate(*, actor: str, person: int) -> User:
    """Shuts somebody out and ends what they have open. Raises WrongState for the last admin."""
    _hold_admins()
    row = _held(person)
    _refuse_if_last_admin(row)
    before = {"state": _state(row)}
    User.objects.filter(id=row.id).update(is_active=False)
    after = {"state": SHUT_OUT, "sessions ended": _end_sessions(row.id)}
    note(actor, "deactivate-user", f"user:{row.username}", before=before, after=after)
    return row


@transaction.atomic
def activate(*, actor: str, person: int) -> User:
    """Lets somebody in again, with the role and password they had."""
    row = _held(person)
    before, after = {"state": _state(row)}, {"state": ACTIVE}
    User.objects.filter(id=row.id).update(is_active=True)
    note(actor, "activate-user", f"user:{row.username}", before=before, after=after)
    return row


@transaction.atomic
def renew_password(*, actor: str, person: int) -> str:
    """A new password, shown once; everything that is open ends."""
    row, password = _held(person), secrets.token_urlsafe(15)
    row.set_password(password)
    row.save(update_fields=["password"])
    before, after = {"password": "the old one"}, {"password": "a new one"}
    after |= {"sessions ended": str(_end_sessions(row.id))}
    note(actor, "renew-password", f"user:{row.username}", before=before, after=after)
    return password


@transaction.atomic
def sign_out(*, actor: str, person: int) -> int:
    """Ends every session of somebody; gives how many."""
    row = _held(person)
    ended = _end_sessions(row.id)
    before, after = {"sessions": ended}, {"sessions": 0}
    note(actor, "sign-out-user", f"user:{row.username}", before=before, after=after)
    return ended


def open_sessions() -> Counter[int]:
    """How many sessions each user has open, by the user's id."""
    return Counter(person for _, person in _sessions())


def _sessions() -> Iterator[tuple[str, int]]:
    alive = Session.objects.filter(expire_date__gt=timezone.now()).order_by("-expire_date")
    for row in alive[:SESSIONS_READ]:
        person = row.get_decoded().get(SESSION_KEY)
        if person is not None:
            yield row.session_key, int(person)


def _end_sessions(person: int) -> int:
    keys = [key for key, owner in _sessions() if owner == person]
    Session.objects.filter(session_key__in=keys).delete()
    hooks.changed_on_commit(watched(person))
    return len(keys)


def _state(person: User) -> str:
    return ACTIVE if person.is_active else SHUT_OUT


def _held(person: int) -> User:
    return User.objects.select_for_update().get(id=person)


def _hold_admins() -> None:
    """Who is an admin changes for one at a time: two who demote each other would leave none."""
    Group.objects.get_or_create(name=Role.ADMIN)
    Group.objects.select_for_update(no_key=True).get(name=Role.ADMIN)


def _put_in(person: User, role: Role) -> None:
    """One role a person; a superuser who is given a lesser one is none any more."""
    give(person, role)
    if person.is_superuser and role is not Role.ADMIN:
        User.objects.filter(id=person.id).update(is_superuser=False)


def _refuse_if_last_admin(person: User) -> None:
    active = User.objects.filter(is_active=True).exclude(id=person.id)
    if role_of(person) is Role.ADMIN and not any(role_of(one) is Role.ADMIN for one in active):
        raise WrongState("Nobody else is an admin: make somebody one first.")

"""Another key for what is at rest: all is encrypted anew, and the old key is needed no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from events import operate, vault
from events.models import AuditEntry, Secret, Subscription
from events.rotation import rotate_keys
from events.vault import encrypt
from tests import make
from tests.faults import at_every_statement

pytestmark = pytest.mark.usefixtures("transactional_db")

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def sealed() -> Subscription:
    """A subscription with a signing secret, a header and credentials."""
    headers = {"x-token": encrypt("a header")}
    return make.subscription(
        headers=headers, authentication="basic", credentials=encrypt("user:password")
    )


def opened(row: Subscription) -> list[str]:
    row.refresh_from_db()
    kept = [one.encrypted for one in row.secrets.all()]
    return [vault.decrypt(text) for text in (*kept, *row.headers.values(), row.credentials)]


def test_after_it_the_old_key_may_be_removed(settings: LazySettings) -> None:
    settings.REDRIVE_SECRET_KEYS = (OLD,)
    rows = [sealed(), sealed(), make.subscription()]
    settings.REDRIVE_SECRET_KEYS = (NEW, OLD)
    assert rotate_keys(actor=make.ACTOR).values == 7
    settings.REDRIVE_SECRET_KEYS = (NEW,)
    for row in rows[:2]:
        assert opened(row) == [make.SECRET, "a header", "user:password"]
    assert rotate_keys(actor=make.ACTOR).values == 0
    first = AuditEntry.objects.order_by("id").get(action="rotate-keys", after__values=7)
    assert first.actor == make.ACTOR


def test_what_no_key_opens_is_named_and_holds_up_nothing(settings: LazySettings) -> None:
    settings.REDRIVE_SECRET_KEYS = (OLD,)
    lost = sealed()
    settings.REDRIVE_SECRET_KEYS = (NEW,)
    kept = sealed()
    with pytest.raises(CommandError, match=lost.public_id):
        call_command("rotate_keys")
    assert opened(kept) == [make.SECRET, "a header", "user:password"]


def test_it_goes_on_wherever_it_died(settings: LazySettings) -> None:
    rows: list[Subscription] = []

    def prepare() -> Callable[[], object]:
        settings.REDRIVE_SECRET_KEYS = (OLD,)
        rows[:] = [sealed(), sealed()]
        settings.REDRIVE_SECRET_KEYS = (NEW, OLD)
        return lambda: rotate_keys(actor=make.ACTOR)

    def end() -> None:
        settings.REDRIVE_SECRET_KEYS = (NEW,)
        assert [opened(row) for row in rows] == [[make.SECRET, "a header", "user:password"]] * 2

    assert at_every_statement(prepare, end) >= 6


def test_a_secret_that_is_rotated_meanwhile_is_kept(settings: LazySettings) -> None:
    settings.REDRIVE_SECRET_KEYS = (OLD,)
    row = sealed()
    settings.REDRIVE_SECRET_KEYS = (NEW, OLD)
    operate.rotate_secret(actor=make.ACTOR, subscription=row.id, secret=make.SECRET)
    assert rotate_keys(actor=make.ACTOR).values == 3
    assert Secret.objects.filter(subscription=row).count() == 2

"""A producer that stops is noticed by its own habit; one without a habit is left alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from events.keys import Keyring, create_key, new_key
from events.models import ApiKey
from monitoring import findings
from monitoring.models import Finding, Sample

pytestmark = pytest.mark.django_db(transaction=True)


def producer(*, gap: timedelta, silent: timedelta, gaps: int = 100) -> ApiKey:
    """A key that published every `gap`, and has not for `silent`."""
    row = create_key(text=new_key(), name="shop", scopes=["publish"], tenant=None)
    ApiKey.objects.filter(pk=row.pk).update(
        usual_gap=gap, gaps=gaps, last_published_at=Now() - silent
    )
    return row


def quiet() -> list[str]:
    return [key.name for key in ApiKey.objects.quiet(timezone.now())]


def test_a_habit_is_learned_from_publishes_and_not_from_reading() -> None:
    text = new_key()
    create_key(text=text, name="shop", scopes=["publish", "read"], tenant=None)
    header = f"Bearer {text}"
    Keyring().check(header, publishing=True)
    Keyring().check(header)
    ApiKey.objects.update(last_published_at=Now() - timedelta(seconds=60))
    Keyring().check(header, publishing=True)
    row = ApiKey.objects.get()
    assert row.gaps == 1
    assert row.usual_gap is not None
    assert timedelta(seconds=60) <= row.usual_gap < timedelta(seconds=65)
    ApiKey.objects.update(last_published_at=Now() - timedelta(seconds=160))
    Keyring().check(header, publishing=True)
    later = ApiKey.objects.get().usual_gap
    assert later is not None
    assert timedelta(seconds=70) <= later < timedelta(seconds=75)


def test_a_producer_that_is_silent_for_ten_gaps_is_a_finding_until_it_publishes() -> None:
    Sample.objects.create(at=timezone.now(), span=1)
    row = producer(gap=timedelta(minutes=5), silent=timedelta(hours=2))
    findings.judge()
    found = Finding.objects.standing().get()
    assert (found.kind, found.side) == ("quiet-producer", "theirs")
    assert found.words == "shop has published nothing for 2 h: it usually does every 5 min."
    ApiKey.objects.filter(pk=row.pk).update(last_published_at=Now())
    findings.judge()
    assert not Finding.objects.standing().exists()


@pytest.mark.parametrize(
    ("gap", "silent", "gaps"),
    [
        (timedelta(seconds=5), timedelta(minutes=14), 100),
        (timedelta(hours=1), timedelta(hours=9), 100),
        (timedelta(seconds=5), timedelta(days=1), 19),
    ],
)
def test_one_that_is_within_its_habit_or_has_none_is_left_alone(
    gap: timedelta, silent: timedelta, gaps: int
) -> None:
    producer(gap=gap, silent=silent, gaps=gaps)
    assert quiet() == []


def test_a_revoked_key_is_quiet_on_purpose() -> None:
    row = producer(gap=timedelta(seconds=5), silent=timedelta(hours=2))
    assert quiet() == ["shop"]
    ApiKey.objects.filter(pk=row.pk).update(revoked_at=Now())
    assert quiet() == []


def test_a_publish_is_noted_though_the_key_was_just_used_to_read() -> None:
    text = new_key()
    create_key(text=text, name="shop", scopes=["publish", "read"], tenant=None)
    header, keys = f"Bearer {text}", Keyring()
    read = keys.check(header)
    assert keys.remembered(header) == read
    assert keys.remembered(header, publishing=True) is None
    assert keys.check(header, publishing=True) == keys.remembered(header, publishing=True)
    assert keys.remembered(header) == read
    assert ApiKey.objects.get().last_published_at is not None

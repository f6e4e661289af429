"""The text index: filled beside the publish path, missing nothing, dropped with its day."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from events import jobs, load, searching
from events.engine import text
from events.engine.retention import drop_day
from events.models import Event, EventText, LoadLevel
from events.rules import ids
from events.searching import Asked, Found, search
from events.uuids import new_uuid
from tests import make
from tests.faults import at_every_statement, together

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = timedelta(hours=2)


def at(moment: datetime, n: int = 1) -> UUID:
    return UUID(int=ids.first_at(moment).int + n)


def published(*, ago: timedelta = timedelta(minutes=1), **fields: object) -> UUID:
    """An event whose id was made some time ago."""
    moment = timezone.now() - ago
    [found] = make.published(make.event(id=at(moment, new_uuid().int & 0xFFFF), **fields))
    return found


def indexed() -> int:
    """A run of the job, as a dispatcher starts it."""
    jobs.start_due({searching.JOB: 0.0})
    return text.index()


def found(words: str, *, hidden: bool = True, most: int = 50, **asked: object) -> list[UUID]:
    result = search(Asked(words, hidden=hidden, **asked), most=most)
    assert isinstance(result, Found)
    assert not result.late
    return list(result.events)


def test_an_event_is_found_by_what_it_says_anywhere() -> None:
    event = published(
        type="order.paid",
        source="/shops/berlin",
        subject="ord_1001",
        data=rb'{"customer":{"mail":"jos\u00e9@example.com"},"total":4711}',
        extensions={"region": "emea-7"},
        producer_event_id="p-1",
    )
    published(data=b'{"other":1}')
    assert indexed() == 2
    for words in ("BERLIN", "ord_1001", "josé@example", "custom 4711", "emea-7", "p-1", "region"):
        assert found(words) == [event], words
    assert found("berlin elsewhere") == []


def test_who_may_not_see_payloads_does_not_find_by_them() -> None:
    event = published(subject="ord_1001", data=b'{"card":"4111"}', extensions={"region": "emea"})
    indexed()
    assert found("ord_1001", hidden=False) == [event]
    for words in ("card", "4111", "emea", "=4111", "ord_1001 4111"):
        assert found(words, hidden=False) == [], words


def test_a_tenant_finds_its_own_only() -> None:
    mine = published(tenant="acme", data=b'{"n":"word"}')
    other = published(tenant="other", data=b'{"n":"word"}')
    indexed()
    assert found("word", tenant="acme") == [mine]
    assert sorted(found("word")) == sorted([mine, other])


def test_what_is_too_new_is_left_for_later() -> None:
    published(ago=timedelta(seconds=5), data=b"early")
    assert indexed() == 0
    reached = searching.reached()
    assert reached is not None
    assert timedelta(seconds=14) < timezone.now() - reached < timedelta(seconds=30)


def test_an_event_that_commits_below_the_place_reached_is_found_by_the_second_walk() -> None:
    published()
    indexed()
    late = published(ago=LONG_AGO, data=b"straggler")
    jobs.remember(searching.JOB, jobs.state_of(searching.JOB) | {"again": str(UUID(int=0))})
    assert indexed() == 1
    assert found("straggler") == [late]


def test_many_are_indexed_in_slices_and_a_kill_between_them_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(7):
        published(data=b"many")
    monkeypatch.setattr(text, "SLICE", 3)
    monkeypatch.setattr(text, "BUDGET", 1e-9)
    assert indexed() == 3
    assert indexed() == 3
    monkeypatch.setattr(text, "BUDGET", 10.0)
    assert indexed() == 1
    assert len(found("many")) == 7
    assert indexed() == 0


def test_a_run_may_die_at_every_statement() -> None:
    events: set[UUID] = set()

    def prepare() -> Callable[[], object]:
        # Known for a second: its query gives up its connection by itself, which is not the matter.
        load._known = (math.inf, LoadLevel(id=1))
        events.clear()
        events.update(published() for _ in range(3))
        jobs.start_due({searching.JOB: 0.0})
        return text.index

    def end() -> None:
        assert set(EventText.objects.values_list("id", flat=True)) == events
        assert text.index() == 0

    assert at_every_statement(prepare, end) > 15


def test_runs_at_once_index_each_event_once() -> None:
    events = {published() for _ in range(20)}
    jobs.start_due({searching.JOB: 0.0})
    assert sum(together([text.index] * 4)) == 20
    assert set(EventText.objects.values_list("id", flat=True)) == events


def test_nothing_is_indexed_where_it_is_switched_off(settings: Settings) -> None:
    settings.REDRIVE_SEARCH = False
    published()
    assert indexed() == 0
    settings.REDRIVE_SEARCH = True
    assert indexed() == 1


def test_the_index_rests_above_the_normal_load() -> None:
    published()
    LoadLevel.objects.update_or_create(id=1, defaults={"level": "busy"})
    assert indexed() == 0


def test_a_search_looks_at_the_newest_only_under_the_worst_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(searching, "RECENT", 2)
    made = [published(ago=timedelta(minutes=n), data=b'{"says":"needle"}') for n in range(5, 1, -1)]
    indexed()
    assert search(Asked("needle", hidden=True), most=10) == Found(made[::-1])
    LoadLevel.objects.update_or_create(id=1, defaults={"level": "overloaded"})
    load._known = None
    assert search(Asked("needle", hidden=True), most=10) == Found(made[:1:-1], late=True)


def test_the_words_go_with_their_day() -> None:
    day = (timezone.now() - timedelta(days=40)).astimezone(UTC).date()
    low, high = ids.span(day)
    with connection.cursor() as cursor:
        for table in ("events_event", "events_text"):
            cursor.execute(
                f"CREATE TABLE {table}_{day:%Y%m%d} PARTITION OF {table} "
                f"FOR VALUES FROM ('{low}') TO ('{high}')"
            )
    event = published(ago=timedelta(days=40), data=b"bygone")
    indexed()
    assert found("bygone") == [event]
    assert drop_day(day)
    assert found("bygone") == []
    assert not Event.objects.filter(id=event).exists()


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few rows are looked at one by one that the index of words is asked."""
    monkeypatch.setattr(searching, "RECENT", 2)


@pytest.mark.usefixtures("small_steps")
def test_pages_go_on_where_the_one_before_ended_over_days() -> None:
    events = [
        published(ago=timedelta(hours=7 * n, minutes=1), data=b"walk" if n % 3 else b"rest")
        for n in range(20)
    ]
    indexed()
    wanted = [event for n, event in enumerate(events) if n % 3]
    seen: list[UUID] = []
    while page := found("walk", most=4, before=seen[-1] if seen else None):
        seen += page
    assert seen == wanted
    now = timezone.now()
    bounds = {"since": now - timedelta(hours=30), "until": now - timedelta(hours=10)}
    assert found("walk", **bounds) == [wanted[1], wanted[2]]


@pytest.mark.parametrize("asked", ["", "--", "'", "=@"])
def test_a_question_without_a_word_has_no_answer(asked: str) -> None:
    assert search(Asked(asked, hidden=True), most=5) is None


@pytest.mark.parametrize("asked", ["a' | 'b", "\\x", "x:*", "!(y)", "%s %(z)s {q}", "\0w"])
@pytest.mark.usefixtures("small_steps")
def test_no_question_is_taken_for_anything_but_words(asked: str) -> None:
    for _ in range(3):
        published()
    indexed()
    assert found(asked) == []


def test_bytes_that_are_no_text_are_no_words() -> None:
    event = published(data=b"\xff\xfe\x00PNG", datacontenttype="image/png", subject="picture")
    indexed()
    assert found("png") == []
    assert found("picture") == [event]

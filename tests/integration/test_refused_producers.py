"""What a producer was refused is counted on its key, without a write for each request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.urls import reverse

from events import keys
from events.models import ApiKey
from events.roles import Role
from tests import make, pages
from tests.lane import Lane
from tests.queries import counted


@pytest.fixture
def lane(transactional_db: None) -> Iterator[Lane]:
    found = Lane(key=make.api_key())
    yield found
    found.close()


def key_of(lane: Lane) -> ApiKey:
    """The row, after the lane looked its key up once more."""
    keys.keyring.check(f"Bearer {lane.key}", publishing=True)
    return make.api_key_row(lane.key)


def test_refused_events_are_counted_with_the_last_reason(lane: Lane) -> None:
    assert lane.post(b"{}").status == 422
    batch = b'[{"type":"a"},{"type":""},{"colour":1}]'
    assert lane.post(batch).status == 202
    row = key_of(lane)
    assert (row.refused, row.last_refusal) == (3, "unknown_field")
    assert row.last_refused_at is not None


def test_good_events_leave_no_trace_of_a_refusal(lane: Lane) -> None:
    assert lane.post(b'{"type":"a"}').status == 202
    row = key_of(lane)
    assert (row.refused, row.last_refusal, row.last_refused_at) == (0, "", None)


def test_a_refusal_costs_no_statement(lane: Lane) -> None:
    lane.post(b'{"type":"a"}')
    with counted() as statements:
        assert lane.post(b"{}").status == 422
    assert statements == []


def test_the_health_page_shows_who_is_refused_and_why(lane: Lane) -> None:
    lane.post(b"{}")
    key_of(lane)
    shown = pages.text_of(pages.signed_in(Role.VIEWER).get(reverse("health")))
    assert "1, last <code>missing_field</code>" in shown

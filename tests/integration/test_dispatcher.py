"""The dispatcher delivers by itself while the broker is away, for as long as that takes."""

from __future__ import annotations

import pytest
from django.db import connection

from events.engine import pump
from events.management.commands.dispatch import Dispatcher

pytestmark = pytest.mark.django_db(transaction=True)


def sessions() -> int:
    """How many this process has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'redrive'"
        )
        (many,) = cursor.fetchone()
    return int(many)


def test_each_pump_of_its_own_gives_its_connection_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "CHECKED", -1.0)
    dispatcher = Dispatcher()
    seen = []
    for _ in range(5):
        dispatcher._pump_here()
        assert dispatcher._own is not None
        dispatcher._own.join(timeout=10)
        seen.append(sessions())
    assert seen[-1] == seen[1], seen

"""The audit log cannot be changed, by whatever statement."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from events.audit import note
from events.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events_auditentry SET actor = 'somebody else'",
        "DELETE FROM events_auditentry",
        "TRUNCATE events_auditentry",
    ],
)
def test_an_entry_is_neither_changed_nor_removed(statement: str) -> None:
    note("user:me", "pause", "sub_x")

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert AuditEntry.objects.get().actor == "user:me"

"""What the product's own audit finds comes out of the drills' auditor, as long as it lives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drills.auditor import Auditor
from events.models import LedgerEntry
from events.rules.outcome import Responded
from tests import make
from tests.servers import TEST_DATABASE, servers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def auditor() -> Iterator[Auditor]:
    database = {"DATABASE_URL": servers.database_url(TEST_DATABASE)}
    with Auditor(servers.environment() | database) as found:
        yield found


def test_each_judgement_sees_what_is_broken_by_then(auditor: Auditor) -> None:
    to = make.subscription()
    make.owed(to)
    make.recorded(Responded(200))
    assert auditor.broken() == []

    damage = LedgerEntry.objects.create(subscription=to.id, created=1)
    [words] = auditor.broken()
    law = "the ledger is the truth about what is owed"
    assert words == f"manage.py audit: {law}: 1, such as subscription {to.id}, said 1, owed None"

    damage.delete()
    assert auditor.broken() == []


def test_an_auditor_that_has_ended_finds_no_drill_to_be_right(auditor: Auditor) -> None:
    auditor._process.kill()
    auditor._process.wait()
    assert auditor.broken() == auditor.broken() == ["manage.py audit ended early"]

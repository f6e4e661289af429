"""`manage.py seed`: a past for measuring that the ledger and the pages agree with."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from dlq.models import DeadLetter, Signature
from events.models import Attempt, Delivery, Event, OwedDelivery
from tests import laws

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_makes_what_was_asked_for_and_keeps_the_laws() -> None:
    said = StringIO()
    call_command("seed", events=1_000, dead=70, yes=True, stdout=said)
    assert "Made 1,000 events" in said.getvalue()
    assert Event.objects.count() == Delivery.objects.count() == Attempt.objects.count() == 1_000
    assert DeadLetter.objects.count() == Delivery.objects.filter(state="dead").count() == 70
    assert sum(Signature.objects.values_list("open", flat=True)) == 70
    assert not OwedDelivery.objects.exists()
    laws.hold()


def test_it_refuses_to_fill_a_database_that_was_not_agreed_on() -> None:
    with pytest.raises(CommandError, match="add --yes"):
        call_command("seed", events=10)
    assert not Event.objects.exists()

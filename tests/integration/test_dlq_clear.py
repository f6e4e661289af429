"""Many dead letters are discarded and put back by a job that can be cut, stopped and undone."""

from __future__ import annotations

import html
import re

import pytest
from django.urls import reverse

from dlq import clear, settle
from dlq.models import DeadLetter, JobState, LetterJob, Signature
from dlq.select import Criteria
from dlq.tasks import run_letter_jobs
from events.models import AuditEntry
from events.roles import Role
from tests import make, pages
from tests.faults import together

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "AT_ONCE", 2)


def open_count() -> tuple[int, int]:
    """As the letters say it, and as their groups count them."""
    counted = sum(Signature.objects.values_list("open", flat=True))
    return DeadLetter.objects.open().count(), counted


def test_the_first_slice_is_done_at_once_and_the_rest_in_the_background() -> None:
    make.dead(make.subscription(), 5)
    job = clear.discard(Criteria(), actor="user:a")
    assert (job.state, job.moved, job.total, open_count()) == ("running", 2, 5, (3, 3))
    run_letter_jobs()
    job.refresh_from_db()
    assert (job.state, job.moved, open_count()) == ("done", 5, (0, 0))
    put_back = clear.restore(Criteria(), actor="user:a", moment=job.moment)
    run_letter_jobs()
    put_back.refresh_from_db()
    assert (put_back.state, put_back.moved, open_count()) == ("done", 5, (5, 5))


def test_a_job_that_is_stopped_leaves_the_rest() -> None:
    make.dead(make.subscription(), 5)
    job = clear.discard(Criteria(), actor="user:a")
    assert clear.cancel(job.id, actor="user:b")
    assert not clear.cancel(job.id, actor="user:b")
    run_letter_jobs()
    assert open_count() == (3, 3)
    entry = AuditEntry.objects.order_by("-id")[0]
    assert (entry.actor, entry.action) == ("user:b", "cancel-discard")
    assert entry.after == {"state": "cancelled", "letters": 2, "of": 5}


def test_an_undo_takes_back_its_own_discard_alone() -> None:
    letters = make.dead(make.subscription(), 5)
    settle.discard(Criteria(ids=(letters[0],)), actor="user:a")
    job = clear.discard(Criteria(), actor="user:a")
    run_letter_jobs()
    clear.restore(Criteria(), actor="user:a", moment=job.moment)
    run_letter_jobs()
    assert open_count() == (4, 4)


def test_somebody_follows_a_long_discard_and_undoes_it() -> None:
    make.dead(make.subscription(), 5)
    client = pages.signed_in(Role.OPERATOR)
    path = reverse("dead-letter-group-discard", args=[Signature.objects.get().id])
    shown = pages.text_of(client.post(path, follow=True))
    assert "2 of 5" in shown
    assert "2 of 5" in pages.text_of(client.get(reverse("dead-letters")))
    run_letter_jobs()
    here = reverse("letter-job", args=[LetterJob.objects.get().id])
    done = pages.text_of(client.get(here))
    [undo] = re.findall(r'action="(/dead-letters/restore/[^"]+)"', done)
    client.post(html.unescape(undo))
    run_letter_jobs()
    assert open_count() == (5, 5)
    viewer = pages.signed_in(Role.VIEWER)
    assert 'method="post" action="/dead-letters' not in pages.text_of(viewer.get(here))
    assert viewer.post(here + "cancel/").status_code == 403


@pytest.mark.django_db(transaction=True)
def test_of_many_who_run_and_stop_a_job_none_counts_a_letter_twice() -> None:
    make.dead(make.subscription(max_concurrency=40), 40)
    job = clear.discard(Criteria(), actor="user:a")
    stop = [lambda: clear.cancel(job.id, actor="user:b")]
    together([*[clear.run_all] * 6, *stop])
    job.refresh_from_db()
    left, counted = open_count()
    assert left == counted == 40 - job.moved
    assert job.state in (JobState.DONE, JobState.CANCELLED)

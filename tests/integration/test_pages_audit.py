"""The audit page shows all of a change, and its files hold it as JSON that reads back."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.urls import reverse

from events import operate
from events.audit import note
from events.roles import Role
from tests import make, pages

pytestmark = pytest.mark.django_db


def test_a_long_change_is_cut_in_its_row_and_whole_beneath() -> None:
    row, long = make.subscription(), f"https://example.com/{'path/' * 30}end"
    operate.change_subscription(actor="user:a", subscription=row.id, fields={"url": long})
    client = pages.signed_in(Role.VIEWER)
    for path in (reverse("audit"), reverse("subscription", args=[row.id])):
        shown = pages.text_of(client.get(path)).partition('class="rows"')[2]
        whole = shown.partition("<details")[2].partition("</details>")[0]
        assert "All of it" in whole, path
        assert long in whole, path
        assert long not in shown.partition("<details")[0], path


def test_a_short_change_has_nothing_to_open() -> None:
    note("user:a", "weigh", "tenant a", before={"weight": 1}, after={"weight": 0})
    shown = pages.text_of(pages.signed_in(Role.VIEWER).get(reverse("audit")))
    assert "<del>1</del> → 0" in shown
    assert "All of it" not in shown


def exported(form: str) -> str:
    response = pages.signed_in(Role.VIEWER).get(reverse("audit"), {"export": form})
    return b"".join(response.streaming_content).decode()


BEFORE, AFTER = {"types": ["a", "b"], "filter": None}, {"types": [], "name": "ü \"'"}


def test_a_file_of_json_lines_holds_before_and_after_as_they_are() -> None:
    note("user:a", "change", "sub_x", before=BEFORE, after=AFTER)
    [row] = [json.loads(line) for line in exported("jsonl").splitlines()]
    assert (row["before"], row["after"], row["tenant"]) == (BEFORE, AFTER, None)


def test_a_file_of_cells_holds_before_and_after_as_json() -> None:
    note("user:a", "change", "sub_x", before=BEFORE, after=AFTER)
    note("user:b", "test", "sub_y")
    last, first = csv.DictReader(io.StringIO(exported("csv")))
    assert (json.loads(first["before"]), json.loads(first["after"])) == (BEFORE, AFTER)
    assert (last["before"], last["after"]) == ("", "")


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(begin: str) -> None:
    note(f"{begin}1+1", "change", f"{begin}SUM(A1)")
    [row] = csv.DictReader(io.StringIO(exported("csv"), newline=""))
    assert row["actor"] == f"'{begin}1+1"
    assert row["target"] == f"'{begin}SUM(A1)"

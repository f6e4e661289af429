"""What a filter read of an event is told by the fields that its expression names."""

from __future__ import annotations

import pytest

from events.rules.filters import Facts
from events.rules.readings import LONGEST, values_read

FACTS = Facts(
    type="order.paid",
    source="/shop",
    extensions={"region": "eu"},
    data={"total": 20, "user": {"name": "Ada", "tags": ["a", "b"]}, "note": "x" * 500},
)


@pytest.mark.parametrize(
    ("expression", "read"),
    [
        ("data.total > 100", {"data.total": "20"}),
        ('data.total == 1 || type == "a"', {"data.total": "20", "type": '"order.paid"'}),
        ('data["user"]["name"] == "Bob"', {"data.user.name": '"Ada"'}),
        ('data.user.name.startsWith("B")', {"data.user.name": '"Ada"'}),
        ("has(data.gone)", {"data.gone": "absent"}),
        ("data.total.deeper == 1", {"data.total.deeper": "absent"}),
        ('data.user.tags.exists(type, type == "c")', {"data.user.tags": "a list of 2"}),
        ("data.user == null", {"data.user": "an object"}),
        ('extensions.region == "data.total"', {"extensions.region": '"eu"'}),
        ("subject == null", {"subject": "null"}),
        ("1 > 2", {}),
    ],
)
def test_each_field_is_named_with_its_value(expression: str, read: dict[str, str]) -> None:
    assert values_read(expression, FACTS) == read


def test_it_is_told_short() -> None:
    assert len(values_read("data.note == ''", FACTS)["data.note"]) == LONGEST
    many = " && ".join(f"data.f{n} == 1" for n in range(50))
    assert len(values_read(many, FACTS)) == 5

"""/metrics: what it says, to whom, and at what cost; and that docs/metrics.md says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client, override_settings

from events import operate
from events.heartbeat import beat
from events.load import update
from events.models.process import Role
from events.rules.outcome import Responded
from monitoring import samples
from monitoring.metrics import Family, gather, render
from tests import make
from tests.make import ACTOR
from tests.pages import at_most

pytestmark = pytest.mark.django_db(transaction=True)

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"
LINE = re.compile(r'[a-z_]+(\{[a-z]+="[a-z_]+"(,[a-z]+="[a-z_]+")*\})? -?[0-9.e+-]+')
FAR = {"REMOTE_ADDR": "203.0.113.9"}


def told(**how: str) -> tuple[int, str]:
    answer = Client().get("/metrics", **how)
    return answer.status_code, answer.content.decode()


def value(name: str) -> float:
    """Of a series as it is named in the text."""
    [line] = [one for one in told()[1].splitlines() if one.rpartition(" ")[0] == name]
    return float(line.rpartition(" ")[2])


def bearer(key: str) -> dict[str, str]:
    return {**FAR, "HTTP_AUTHORIZATION": f"Bearer {key}"}


def lived() -> None:
    to = make.subscription()
    make.dead(to, 2)
    make.owed(to)
    make.recorded(Responded(200))
    operate.cancel(actor=ACTOR, delivery=make.owed(to))
    make.owed(to)
    make.claims()
    make.owed(to)
    operate.open_breaker(actor=ACTOR, subscription=make.subscription(types=["x"]).id, seconds=9)
    beat("one", Role.WORKER, doing="pumping", load={})
    update()
    samples.take(samples.take(None))


def test_the_numbers_are_those_of_the_system() -> None:
    lived()

    assert value("redrive_deliveries_created_total") == 6
    assert value('redrive_deliveries_ended_total{outcome="delivered"}') == 1
    assert value('redrive_deliveries_ended_total{outcome="dead"}') == 2
    assert value('redrive_deliveries_ended_total{outcome="cancelled"}') == 1
    assert value('redrive_deliveries_owed{state="due"}') == 1
    assert value('redrive_deliveries_owed{state="in_flight"}') == 1
    assert value("redrive_unaccounted_deliveries") == 0
    assert value("redrive_oldest_due_seconds") >= 0
    assert value("redrive_dead_letters_open") == 2
    assert value('redrive_lanes{breaker="closed"}') == 1
    assert value('redrive_lanes{breaker="open"}') == 1
    assert value('redrive_processes{role="worker"}') == 1
    assert value('redrive_processes{role="web"}') == 0
    assert value('redrive_load_level{level="normal"}') == 1
    assert 0 < value("redrive_commit_seconds") < 5


def test_every_line_is_of_the_format() -> None:
    lived()

    status, text = told()

    assert status == 200
    assert text.endswith("\n")
    for line in text.splitlines():
        assert line.startswith(("# HELP redrive_", "# TYPE redrive_")) or LINE.fullmatch(line), line


def test_every_metric_is_named_as_is_usual() -> None:
    for one in gather():
        assert one.name.startswith("redrive_")
        assert one.name.endswith("_total") == (one.kind == "counter")
        assert not re.search(r"_(ms|minutes|percent)$", one.name)


def test_a_system_that_nobody_sampled_yet_says_what_it_knows() -> None:
    status, text = told()

    assert status == 200
    assert "redrive_deliveries_owed" not in text
    assert 'redrive_processes{role="dispatcher"} 0' in text


def test_a_family_is_rendered_with_its_labels() -> None:
    text = render([Family("a_total", "counter", "Words.", [({"b": "c", "d": "e"}, 2.5)])])

    assert text == '# HELP a_total Words.\n# TYPE a_total counter\na_total{b="c",d="e"} 2.5\n'


def test_a_caller_on_this_machine_needs_no_key() -> None:
    assert told()[0] == 200
    assert told(REMOTE_ADDR="::1")[0] == 200


def test_a_caller_from_elsewhere_needs_a_key_that_may_read() -> None:
    assert told(**FAR)[0] == 401
    assert told(**bearer("rdk_abcdefgh_" + "x" * 43))[0] == 401
    assert told(**bearer(make.api_key(scopes=["publish"])))[0] == 403
    assert told(**bearer(make.api_key(scopes=["read"])))[0] == 200


def test_a_tenants_key_does_not_see_everybodys_numbers() -> None:
    assert told(**bearer(make.api_key(tenant="acme")))[0] == 403


def test_who_comes_through_a_proxy_on_this_machine_is_not_from_this_machine() -> None:
    assert told(HTTP_X_FORWARDED_FOR="203.0.113.9")[0] == 401
    with override_settings(REDRIVE_TRUSTED_PROXIES=1):
        assert told()[0] == 401


def test_only_reading_is_possible() -> None:
    assert Client().post("/metrics").status_code == 405


def test_a_scrape_costs_a_few_small_queries() -> None:
    lived()
    with at_most(9):
        told()


def test_the_docs_list_every_metric_with_its_kind_and_labels() -> None:
    lived()
    documented = set(
        re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", DOCS.read_text(), re.MULTILINE)
    )

    assert documented == {(one.name, one.kind, _labels(one)) for one in gather()}


def _labels(one: Family) -> str:
    names: dict[str, list[str]] = {}
    for labels, _ in one.values:
        for name, word in labels.items():
            names.setdefault(name, []).append(word)
    return "; ".join(f"`{name}`: {' '.join(words)}" for name, words in names.items())

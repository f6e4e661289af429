"""A planted secret is found in logs and in rows, whatever it looks like there."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from django.db.models import Model

from drills.canaries import Canaries, in_logs, in_rows
from events.models import Attempt, Event, FinishedDelivery, Subscription
from tests import make
from tests.integration.test_drill_laws import connect

pytestmark = pytest.mark.django_db(transaction=True)

PLANTED = Canaries()
ALL = UUID(int=0)

TEXTS = {
    "the signing secret": PLANTED.signing,
    "the basic credentials": PLANTED.basic.partition(":")[2],
    "the bearer token": PLANTED.bearer,
    "the secret header": PLANTED.header,
    "the password": PLANTED.password,
    "the API key": PLANTED.api_key.rpartition("_")[2],
}


def shown(name: str) -> Iterator[str]:
    """All that a secret looks like where it leaks, alone or with something around it."""
    raw = TEXTS[name].encode()
    yield TEXTS[name]
    yield f"\\x{raw.hex()}"
    yield f"\\x{b'before'.hex()}{raw.hex()}{b'after'.hex()}"
    for before in (b"", b"1", b"12", b"whsec_", b"Bearer ", b"drill:"):
        yield b64encode(before + raw).decode()
        yield b64encode(before + raw + b", and more").decode()
    if name == "the signing secret":
        yield f"\\x{b64decode(PLANTED.signing).hex()}"


@pytest.fixture
def database() -> Iterator[psycopg.Connection[object]]:
    with connect() as found:
        yield found


def rows(database: psycopg.Connection[object], *, since: UUID = ALL) -> list[str]:
    return list(in_rows(PLANTED, database, since=since))


def test_every_secret_is_looked_for() -> None:
    assert list(PLANTED.named()) == list(TEXTS)


@pytest.mark.parametrize("name", TEXTS)
def test_a_secret_in_a_log_is_found_in_every_form(name: str, tmp_path: Path) -> None:
    clean, log = tmp_path / "clean.log", tmp_path / "stack.log"
    clean.write_text("nothing\n")
    for text in shown(name):
        log.write_bytes(b"a line\n\xff " + text.encode() + b"\nanother\n")
        assert list(in_logs(PLANTED, [clean, log])) == [f"{name} stands in stack.log"], text


@pytest.mark.parametrize("name", TEXTS)
def test_a_secret_in_a_row_is_found_in_every_form(
    name: str, database: psycopg.Connection[object]
) -> None:
    row = make.subscription()
    assert rows(database) == []
    for text in shown(name):
        Subscription.objects.filter(id=row.id).update(name=text)
        assert rows(database) == [f"{name} stands in 1 rows of events_subscription"], text


@pytest.mark.parametrize("name", TEXTS)
def test_a_secret_in_the_bytes_of_an_event_is_found_from_its_id_on(
    name: str, database: psycopg.Connection[object]
) -> None:
    data = b'{"a":"' + TEXTS[name].encode() + b'"}'
    older, newer = (make.published(make.event(data=data))[0] for _ in range(2))

    def found(since: UUID) -> list[str]:
        return rows(database, since=since)

    assert found(ALL) == found(older) == [f"{name} stands in 2 rows of events_event"]
    assert found(newer) == [f"{name} stands in 1 rows of events_event"]
    assert found(UUID(int=newer.int + 1)) == []


@pytest.mark.parametrize(
    ("table", "column"),
    [(Event, "subject"), (FinishedDelivery, "last_error"), (Attempt, "error")],
)
def test_a_large_table_is_read_from_an_id_on(
    table: type[Model], column: str, database: psycopg.Connection[object]
) -> None:
    make.dead(make.subscription())
    table._default_manager.update(**{column: PLANTED.bearer})
    only = table._default_manager.get().pk

    found = rows(database, since=only)

    assert f"the bearer token stands in 1 rows of {table._meta.db_table}" in found
    assert rows(database, since=UUID(int=only.int + 1)) == []

"""The file that receivers copy: it agrees with an outside judge, and makes repeats harmless."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from standardwebhooks import Webhook

from tests import make
from tests.engine import Engine
from tests.faults import together
from tests.receiver import Receiver

sys.path.insert(0, str(Path(settings.BASE_DIR) / "docs" / "receiver"))
kit = import_module("redrive_receiver")

OTHER = "whsec_" + "Qk" * 16
NOW = 1_750_000_000.0


def signed(body: bytes, *, at: float = NOW) -> dict[str, str]:
    """The headers of a request, signed by the library of the standard."""
    moment = datetime.fromtimestamp(at, UTC)
    signature = Webhook(make.SECRET).sign("dlv_1", moment, body.decode())
    return {
        "Webhook-Id": "dlv_1",
        "Webhook-Timestamp": str(int(at)),
        "Webhook-Signature": f"v1,AAAA v1a,BBBB {signature}",
    }


def test_what_the_standards_library_signs_is_verified_under_any_of_the_secrets() -> None:
    assert kit.verify(b"{}", signed(b"{}"), [OTHER, make.SECRET], now=NOW) == "dlv_1"


@pytest.mark.parametrize(
    ("body", "secret", "now", "words"),
    [
        (b"{ }", make.SECRET, NOW, "as it came"),
        (b"{}", OTHER, NOW, "no signature"),
        (b"{}", make.SECRET, NOW + 301, "timestamp"),
        (b"{}", make.SECRET, NOW - 301, "timestamp"),
    ],
)
def test_what_was_changed_or_is_old_is_refused(
    body: bytes, secret: str, now: float, words: str
) -> None:
    with pytest.raises(kit.NotVerified, match=words):
        kit.verify(body, signed(b"{}"), [secret], now=now)


def test_a_request_without_a_header_is_refused_by_its_name() -> None:
    with pytest.raises(kit.NotVerified, match="webhook-id"):
        kit.verify(b"{}", {}, [make.SECRET])


def test_what_we_send_is_verified(engine: Engine, receiver: Receiver) -> None:
    delivery = make.owed(make.subscription(receiver.url("/ok")))
    engine.run()
    [request] = receiver.wait(1)
    found = kit.verify(request.body, request.headers, [make.SECRET])
    assert found == make.delivery(delivery).public_id


@pytest.fixture
def seen(transactional_db: None) -> Iterator[str]:
    """The address of a database with the table of ids, as a receiver would have one."""
    values = connection.get_connection_params()
    keys = ("host", "port", "user", "password", "dbname")
    address = psycopg.conninfo.make_conninfo(**{k: values[k] for k in keys if values.get(k)})
    with connection.cursor() as cursor:
        cursor.execute(kit.TABLE)
    yield address
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE webhook_seen")


def test_work_that_is_sent_twice_at_once_is_done_once(seen: str) -> None:
    done: list[int] = []

    def handle() -> None:
        with psycopg.connect(seen) as own:
            if kit.is_first(own, "dlv_1"):
                done.append(1)

    together([handle] * 4)
    assert done == [1]


def test_work_whose_transaction_died_is_done_by_the_next_attempt(seen: str) -> None:
    with psycopg.connect(seen) as own:
        assert kit.is_first(own, "dlv_1")
        own.rollback()
    with psycopg.connect(seen) as own:
        assert kit.is_first(own, "dlv_1")
    with psycopg.connect(seen) as own:
        assert not kit.is_first(own, "dlv_1")

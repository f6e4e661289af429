"""What every test starts from: Django on embedded servers, and a clean database after each test.

Tests that use the database ask for `db` (one transaction, rolled back) or, where threads, other
processes or commits matter, for `transactional_db`. Servers start with the first of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

# Before anything imports config.settings, which reads the environment once.
from tests.servers import servers

os.environ.update(servers.environment())

import django
import pytest
from django.conf import settings
from django.db import connections
from django.test import TransactionTestCase
from django.utils import timezone
from pytest_django import DjangoDbBlocker

django.setup()

# Where nothing was collected yet, config.asgi warns that there are no files to serve.
settings.STATIC_ROOT.mkdir(exist_ok=True)

from events import heartbeat, load, matching
from events.engine import pump, retention
from events.keys import keyring
from tests import laws, make
from tests.clean import clean_database
from tests.engine import Engine
from tests.lane import Lane, close_thread
from tests.receiver import Receiver


def _clean_after_transactions(_: TransactionTestCase) -> None:
    clean_database()


TransactionTestCase._fixture_teardown = _clean_after_transactions  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """The first thing that pytest-django does for the database."""
    servers.start()


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The server goes with the session, and its database with it."""
    return True


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """The migrated database with the partitions of today and the days ahead."""
    with django_db_blocker.unblock():
        retention.make_partitions(timezone.now().date())


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Drops what the process remembers of the last test's rows."""
    yield
    matching._current = None
    load._known = None
    keyring._known.clear()
    heartbeat._left.clear()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An endpoint of its own for each test."""
    with Receiver() as found:
        yield found


@pytest.fixture
def lane(transactional_db: None) -> Iterator[Lane]:
    """The publish lane of a web process, with a key that may do everything."""
    found = Lane(key=make.api_key())
    yield found
    found.close()


@pytest.fixture
def engine(transactional_db: None) -> Iterator[Engine]:
    """A worker's window."""
    found = Engine()
    yield found
    found.close()


@pytest.fixture
def new_process(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The pump of a process that has not looked at its clock and has no session so far."""
    monkeypatch.setattr(pump, "_engine", None)
    yield
    made = pump._this_process()
    made.runner.close()
    close_thread(made.window._claiming)
    close_thread(made.window._recording)


@pytest.fixture
def lawful(transactional_db: None) -> Iterator[None]:
    """Holds the database to its laws when the test has ended."""
    yield
    laws.hold()


def pytest_xdist_setupnodes() -> None:
    """Each process of a parallel run has servers of its own, so it must not inherit our names."""
    for name in servers.environment():
        os.environ.pop(name, None)


def pytest_unconfigure() -> None:
    """Closes what is open and stops the servers, also after Ctrl-C."""
    for one in connections.all(initialized_only=True):
        one.close()
        one.close_pool()
    servers.stop()

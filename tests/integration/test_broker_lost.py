"""A message whose connection to the broker was lost ends no worker."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from kombu import Connection
from kombu.transport.redis import Transport as Kombus

from config.broker import Transport
from config.celery import app

pytestmark = pytest.mark.django_db  # The servers run.


def left_by(connection: Connection) -> Any:
    """A channel of a connection that was lost and closed, as Celery leaves it."""
    channel = connection.channel()
    channel.connection.client = None
    channel._disconnect_pools()
    return channel


def test_what_comes_too_late_for_a_connection_is_known_as_its_loss() -> None:
    connection = app.connection_for_read()
    assert isinstance(connection.transport, Transport)
    channel = left_by(connection)
    with pytest.raises(connection.connection_errors):
        channel.basic_ack("a-message")
    with pytest.raises(connection.connection_errors):
        channel.qos.restore_unacked()


def test_it_would_end_the_worker_without_our_transport() -> None:
    """Once this fails, kombu has mended it, and config/broker.py can go."""
    channel = left_by(Connection(settings.REDRIVE_BROKER_URL, transport=Kombus))
    with pytest.raises(AttributeError):
        channel.basic_ack("a-message")

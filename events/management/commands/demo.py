"""Live traffic: built-in receivers, subscriptions for them, and a shop that publishes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from events.demo import shop
from events.demo.receivers import HEADERS_MAX, Receivers
from events.demo.subscriptions import known_port, subscribe
from events.demo.traffic import publish_all

HOST = "127.0.0.1"


class Command(BaseCommand):
    help = (
        "Serves five built-in endpoints, subscribes them, and publishes a shop's events to URL "
        "with the key REDRIVE_BOOTSTRAP_API_KEY, until stopped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url", help="Where Redrive answers, such as http://127.0.0.1:8000.")

    def handle(self, *_args: Any, **options: Any) -> None:
        key = os.environ.get("REDRIVE_BOOTSTRAP_API_KEY", "")
        if not key:
            raise CommandError("REDRIVE_BOOTSTRAP_API_KEY: set it to a key that may publish.")
        listener = _listen(known_port())
        subscribe(listener.getsockname()[1])
        # From here on it is a producer and a receiver: it does not need Postgres.
        connections.close_all()
        asyncio.run(_run(listener, url=options["url"].rstrip("/"), key=key))


def _listen(port: int) -> socket.socket:
    """On the port of the last time if it is free, so that the subscriptions need no change."""
    for wanted in (port, 0):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, wanted))
        except OSError:
            listener.close()
        else:
            return listener
    raise CommandError("No port is free for the built-in receivers.")


async def _run(listener: socket.socket, *, url: str, key: str) -> None:
    ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    dice = random.Random()  # noqa: S311 - nothing here is secret
    receivers = Receivers(dice.random)
    server = await asyncio.start_server(receivers.serve, sock=listener, limit=HEADERS_MAX)
    traffic = asyncio.create_task(publish_all(shop.events(dice), url=url, key=key))
    ended = asyncio.create_task(ending.wait())
    await asyncio.wait([traffic, ended], return_when=asyncio.FIRST_COMPLETED)
    server.close()
    if traffic.done():
        traffic.result()
    traffic.cancel()

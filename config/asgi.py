"""The web process: the publish lane beside Django, and the console's sockets."""

from __future__ import annotations

import asyncio
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.asgi import get_asgi_application

django = get_asgi_application()

# Models can be imported from here on.
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from servestatic import ServeStaticASGI

from config.urls import websocket_urlpatterns
from events import tasks
from events.heartbeat import beat_while_serving
from events.intake import Intake
from events.poke import Poke
from events.wire import Limits

intake = Intake(
    limits=Limits(
        event=settings.REDRIVE_EVENT_MAX_BYTES,
        batch=settings.REDRIVE_BATCH_MAX_BYTES,
        items=settings.REDRIVE_BATCH_MAX_ITEMS,
    ),
    identity_ttl=settings.REDRIVE_IDENTITY_HOURS * 3600.0,
    on_commit=Poke(tasks.ask_for_a_pump).poke,
)

# Made before by collectstatic, with a compressed one beside each. Their names carry no hash: a new
# version is to be seen soon.
files = ServeStaticASGI(
    None,
    root=settings.STATIC_ROOT,
    prefix=settings.STATIC_URL,
    max_age=300,
    allow_all_origins=False,
    add_headers_function=lambda headers, *_: headers.add_header(
        "X-Content-Type-Options", "nosniff"
    ),
)

_beating: asyncio.Task[None] | None = None


def _keep_beating() -> None:
    """Starts this process's heartbeat with its first request, on the loop that serves them."""
    global _beating  # noqa: PLW0603 - one heartbeat a process
    if _beating is None or _beating.done():
        _beating = asyncio.create_task(beat_while_serving())


async def http(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Publishes go down their own lane, everything else but files to Django."""
    _keep_beating()
    if scope["path"].startswith(settings.STATIC_URL):
        await files(scope, receive, send)
        return
    lane = scope["method"] == "POST" and scope["path"] == "/api/v1/events"
    await (intake if lane else django)(scope, receive, send)


application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
        ),
    }
)

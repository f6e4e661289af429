"""Where requests go: the API, the probes, and the console."""

from __future__ import annotations

from typing import Any, cast

from django.urls import URLPattern, URLResolver, include, path, re_path

from dlq.api import router as dlq
from events.api import bulk, deliveries, events, reference, subscriptions, tenants, verbs
from events.api.refusals import missing, unreadable
from events.api.rest import Rest
from monitoring.api import router as monitoring
from monitoring.consumers import console
from monitoring.metrics import metrics
from monitoring.probes import healthz, readyz

api = Rest()
for router in (
    events.router,
    subscriptions.router,
    verbs.router,
    # Before the paths of one delivery, which would take `retry` for an id.
    bulk.router,
    deliveries.router,
    tenants.router,
    dlq,
    monitoring,
):
    api.add_router("", router)

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", api.urls),
    path("api/docs", reference.page_of(api), name="api-docs"),
    re_path(r"^api(?:/|$)", missing),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
    path("", include("monitoring.console.urls")),
    path("", include("events.console.urls")),
    path("", include("dlq.console.urls")),
]
websocket_urlpatterns: list[Any] = [path("ws/console/", cast("Any", console))]

handler400 = unreadable

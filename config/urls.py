"""Where requests go: the API, the probes, and the console."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
websocket_urlpatterns: list[Any] = []

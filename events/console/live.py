"""Pages that are asked for again: a part for htmx, or all that may have changed on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers


def render_live(
    request: HttpRequest, page: str, part: str, context: Mapping[str, Any]
) -> HttpResponse:
    """`part` for htmx, which puts it in the place of the old one; else the whole `page`."""
    return _render(request, part if is_again(request) else page, context)


def render_again(
    request: HttpRequest, page: str, context: Mapping[str, Any], *, status: int = 200
) -> HttpResponse:
    """The `page`; for static/js/reread.js without header, navigation and messages.

    All that is on it is then of one moment: title, verdict, buttons and rows.
    """
    lean = {"layout": "again.html"} if is_again(request) else {}
    return _render(request, page, {**context, **lean}, status=status)


def is_again(request: HttpRequest) -> bool:
    """Whether a page that is open asks, and not somebody who opens it."""
    asked = request.headers.get("HX-Request") == "true"
    return asked and request.headers.get("HX-Boosted") != "true"


def _render(
    request: HttpRequest, name: str, context: Mapping[str, Any], *, status: int = 200
) -> HttpResponse:
    response = render(request, name, dict(context), status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response

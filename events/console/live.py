"""A page whose live part can be asked for alone."""

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
    asked = request.headers.get("HX-Request") == "true"
    whole = not asked or request.headers.get("HX-Boosted") == "true"
    response = render(request, page if whole else part, dict(context))
    patch_vary_headers(response, ["HX-Request"])
    return response

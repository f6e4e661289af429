"""The REST API as a test calls it: Django's views, without a server in front."""

from __future__ import annotations

from typing import Any

import msgspec
from django.test import Client

from tests import make
from tests.lane import Answer


class Rest:
    """One caller with an API key; None sends no Authorization at all."""

    def __init__(self, key: str | None) -> None:
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        # A browser's token is not asked for: cookies count for nothing here.
        self.client = Client(enforce_csrf_checks=True)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        content_type: str = "application/json",
        **query: Any,
    ) -> Answer:
        """`body` is sent as JSON, or as it is where it is bytes."""
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        )
        response = self.client.generic(
            method,
            path if path.startswith("/") else f"/api/v1/{path}",
            raw,
            content_type=content_type if raw else "application/octet-stream",
            headers=self._headers | (headers or {}),
            query_params=query,
        )
        found = {name.lower(): value for name, value in response.items()}
        return Answer(response.status_code, found, response.content)

    def get(self, path: str, **query: Any) -> Answer:
        return self.call("GET", path, **query)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """Headers are named with underscores for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", path, body, headers=named)

    def patch(self, path: str, body: Any) -> Answer:
        return self.call("PATCH", path, body)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)


def operator() -> Rest:
    """A caller with all scopes, who sees every tenant."""
    return Rest(make.api_key())


def of_tenant(tenant: str) -> Rest:
    """A caller with all scopes, bound to a tenant."""
    return Rest(make.api_key(tenant=tenant))

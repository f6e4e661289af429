"""The frame of the REST API: how bodies are read, answers written, and refusals told."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import msgspec
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.operation import Operation
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from ninja.router import Router

from events.api.document import Document
from events.api.refusals import NOT_HERE, REFUSALS, Refused, answer, not_allowed
from events.problems import Code, Problem

DESCRIPTION = """\
Publish events, say where they go, and see what became of each.

Send `Authorization: Bearer <API key>`. A key has scopes (`publish`, `read`, `manage`) and may be
bound to a tenant: it then sees that tenant's things only, and all else is 404.

Every error is an RFC 9457 problem with a stable `code`; `errors` holds JSON pointers to what is
wrong. Lists answer `{"data": [...], "next_cursor": ...}`: pass `cursor` until it is null.
"""


class _Json(BaseRenderer):
    """Payloads are embedded as they are: big integers and float spellings stay what they were."""

    media_type = "application/json"

    def render(self, _request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        del response_status
        return msgspec.json.encode(data)


class _Strict(Parser):
    """Standard JSON only; what it raises is told by refusals.of_body."""

    def parse_body(self, request: HttpRequest) -> Any:
        if request.content_type not in ("", "application/json"):
            detail = "Send application/json."
            raise Refused(Problem(Code.UNSUPPORTED_MEDIA_TYPE, detail))
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            detail = "Send the body as it is, not compressed."
            raise Refused(Problem(Code.CONTENT_ENCODING, detail))
        request.body.decode()
        return msgspec.json.decode(request.body)


class Rest(NinjaAPI):
    """The API; config/urls.py adds the routers of each app."""

    def __init__(self) -> None:
        super().__init__(
            title="Redrive",
            version=settings.REDRIVE_VERSION,
            description=DESCRIPTION,
            docs_url=None,
            renderer=_Json(),
            parser=_Strict(),
            urls_namespace="api",
        )
        # The routes are the same for as long as the process runs, and describing them is slow.
        self._document: Document | None = None
        for kind, problem_of in REFUSALS.items():
            self.add_exception_handler(kind, _handler(problem_of))

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__

    def get_operation_url_name(self, operation: Operation, router: Router) -> str:
        del router
        return operation.view_func.__name__

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> Document:
        if self._document is None:
            self._document = Document(self, path_prefix or self.get_root_path(path_params or {}))
        return self._document

    def _get_urls(self) -> list[URLResolver | URLPattern]:
        found = super()._get_urls()
        for pattern in found:
            if isinstance(pattern, URLPattern):
                pattern.callback = _guarded(pattern.callback)
        return found


def _handler(problem_of: Callable[[Any], Problem]) -> Callable[..., HttpResponse]:
    def refuse(_request: HttpRequest, error: Any) -> HttpResponse:
        return answer(problem_of(error))

    return refuse


def _guarded(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Turns what ninja answers by itself into problems: wrong methods, and its root page's 404."""

    @csrf_exempt
    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
        except Http404:
            return answer(NOT_HERE)
        if isinstance(response, HttpResponseNotAllowed):
            return not_allowed(request, response["Allow"])
        return response

    return guarded

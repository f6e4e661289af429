"""What goes wrong while a request is answered, as RFC 9457 problems: never HTML."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from django.core.exceptions import ObjectDoesNotExist, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from ninja.errors import HttpError, ValidationError
from psycopg.errors import QueryCanceled

from events.operate import WrongState
from events.problems import CONTENT_TYPE, Code, Problem

log = logging.getLogger(__name__)

NOT_HERE = Problem(Code.NOT_FOUND, "There is nothing here, or nothing that this key may see.")
"""One answer to what is absent, misspelled, or another tenant's, so that it tells nothing."""

_CODES = {
    "missing": Code.MISSING_FIELD,
    "extra_forbidden": Code.UNKNOWN_FIELD,
    "invalid_text": Code.INVALID_TEXT,
    "string_unicode": Code.INVALID_TEXT,
}


class Refused(Exception):
    """Ends a request with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def answer(problem: Problem) -> HttpResponse:
    """The response that carries a problem."""
    body = msgspec.json.encode(problem.body())
    headers = dict(problem.headers())
    return HttpResponse(body, CONTENT_TYPE, problem.status, headers=headers)


@csrf_exempt
def missing(_request: HttpRequest) -> HttpResponse:
    """The view of every path that is none of the API's."""
    return answer(NOT_HERE)


def unreadable(_request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400, for what it refuses before any view: a wrong Host, say."""
    del exception  # It may quote what was sent.
    detail = "The request cannot be read; REDRIVE_ALLOWED_HOSTS must name the Host it is sent to."
    return answer(Problem(Code.BAD_REQUEST, detail))


def not_allowed(request: HttpRequest, allowed: str) -> HttpResponse:
    """The 405 of a path that exists."""
    detail = f"{request.method} is not possible here; use one of {allowed}."
    response = answer(Problem(Code.METHOD_NOT_ALLOWED, detail))
    response["Allow"] = allowed
    return response


def of_validation(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """All that is wrong with the inputs; an id in the path that is none is simply not here."""
    if any(error["loc"][0] == "path" for error in errors):
        return NOT_HERE
    first, *more = ((_pointer(error["loc"]), _sentence(error)) for error in errors)
    code = _CODES.get(errors[0]["type"], Code.INVALID_FIELD)
    where = first[0] or "the body"
    return Problem(code, f"{where.lstrip('/')}: {first[1]}", pointer=first[0], more=more)


def of_body(error: HttpError) -> Problem:
    """The body could not be read; the cause says how."""
    match error.__cause__:
        case Refused(problem=problem):
            return problem
        case UnicodeDecodeError(start=start):
            return Problem(Code.INVALID_TEXT, f"The body is not UTF-8: byte {start} is wrong.")
        case RecursionError():
            return Problem(Code.INVALID_FIELD, "The JSON is nested too deeply.")
        case cause:
            return Problem(Code.BAD_JSON, str(cause or error))


def of_database(error: Exception) -> Problem:
    """Postgres is away, or a query took too long."""
    if isinstance(error.__cause__, QueryCanceled):
        detail = "The search took too long. Narrow it, for instance with since and before."
        return Problem(Code.UNAVAILABLE, detail, retry_after=5)
    log.warning("Postgres cannot be reached: %s", error)
    return Problem(Code.UNAVAILABLE, "Nothing was changed. Try again.", retry_after=1)


def of_anything(error: Exception) -> Problem:
    """A fault of ours: logged here, and not described to whoever asked."""
    log.error("a request failed", exc_info=error)
    return Problem(Code.INTERNAL, "The fault is in the log of the web process.")


def _too_big(_error: Exception) -> Problem:
    return Problem(Code.BODY_TOO_LARGE, "A body has at most 2.5 MB here.")


def _wrong_state(error: Exception) -> Problem:
    return Problem(Code.WRONG_STATE, str(error))


REFUSALS: Mapping[type[Exception], Callable[[Any], Problem]] = {
    Refused: lambda error: error.problem,
    ValidationError: lambda error: of_validation(error.errors),
    HttpError: of_body,
    WrongState: _wrong_state,
    ObjectDoesNotExist: lambda _: NOT_HERE,
    Http404: lambda _: NOT_HERE,
    RequestDataTooBig: _too_big,
    OperationalError: of_database,
    InterfaceError: of_database,
    Exception: of_anything,
}
"""Which problem an exception is; the nearest class counts."""


def _pointer(location: Sequence[str | int]) -> str:
    """A body's error is found below the name of the argument; a query's is by its own name."""
    parts = location[2:] if location[0] == "body" else location[1:]
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    return "".join(f"/{part}" for part in escaped)


def _sentence(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "missing":
            return "It is missing."
        case "extra_forbidden":
            return "It is not known here."
        case _:
            return str(error["msg"]).rstrip(".") + "."

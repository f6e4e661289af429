"""What every button does: call a verb, say what came of it, and go back to a page."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from events.operate import WrongState


def act(
    request: HttpRequest, verb: Callable[[], object], *, done: str, back: str, undo: str = ""
) -> HttpResponse:
    """`undo` is the path that a POST to takes it back, where there is one."""
    try:
        verb()
    except ObjectDoesNotExist:
        raise Http404 from None
    except WrongState as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done, extra_tags=undo)
    return redirect(back)

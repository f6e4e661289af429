"""What every button does: call a verb, say what came of it, and go back to a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from events.operate import WrongState

Made = TypeVar("Made")


def act(
    request: HttpRequest,
    verb: Callable[[], Made],
    *,
    done: str,
    back: str,
    undo: str | Callable[[Made], str] = "",
) -> HttpResponse:
    """`undo` is the path that a POST to takes it back, where there is one: of what was made."""
    try:
        made = verb()
    except ObjectDoesNotExist:
        raise Http404 from None
    except WrongState as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done, extra_tags=undo if isinstance(undo, str) else undo(made))
    return redirect(back)


def refused(request: HttpRequest, form: BaseForm, *, back: str) -> HttpResponse:
    """Says what is wrong with a form that a page shows in passing; nothing was done."""
    words = [
        f"{form[name].label}: {' '.join(str(one) for one in errors)}"
        for name, errors in form.errors.items()
    ]
    messages.error(request, f"Nothing was done. {' '.join(words)}")
    return redirect(back)

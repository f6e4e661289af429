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
    done: str | Callable[[Made], str],
    back: str,
    undo: str | Callable[[Made], str] = "",
) -> HttpResponse:
    """`undo` is the path that a POST to takes it back, where there is one.

    What is told of what the verb gives is a function of it.
    """
    try:
        made = verb()
    except ObjectDoesNotExist:
        raise Http404 from None
    except WrongState as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _of(made, done), extra_tags=_of(made, undo))
    return redirect(back)


def _of(made: Made, told: str | Callable[[Made], str]) -> str:
    return told if isinstance(told, str) else told(made)


def tell_if_running(request: HttpRequest, words: str, *, was_running: bool) -> None:
    """Of an act on a job: it may have ended since its page was drawn."""
    if was_running:
        messages.success(request, words)
    else:
        messages.info(request, "It was not running any more.")


def refused(request: HttpRequest, form: BaseForm, *, back: str) -> HttpResponse:
    """Says what is wrong with a form that a page shows in passing; nothing was done."""
    words = [
        f"{form[name].label}: {' '.join(str(one) for one in errors)}"
        for name, errors in form.errors.items()
    ]
    messages.error(request, f"Nothing was done. {' '.join(words)}")
    return redirect(back)

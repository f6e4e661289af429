"""Sending a dead letter with corrected data, to where it failed or to another subscription."""

from __future__ import annotations

import hashlib
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import transaction

from dlq.models import DeadLetter, LetterState
from dlq.settle import settle
from events.amend import Amended, amend
from events.audit import note
from events.models import Event, Subscription
from events.operate import WrongState
from events.rules import ids
from events.rules.cloudevents import is_json_type
from events.rules.ids import Prefix


def send_amended(letter: UUID, data: bytes, *, to: UUID | None, keep: bool, actor: str) -> Amended:
    """Owes a new event with this data to `to`, or to where the letter failed, and settles it.

    With `keep` the letter stays open. The audit log has digests and sizes, never the data. Raises
    DeadLetter.DoesNotExist, and WrongState with words for a person where it cannot be done.
    """
    with transaction.atomic():
        row = DeadLetter.objects.select_for_update().get(id=letter)
        if row.state != LetterState.OPEN:
            raise WrongState(f"It is {row.state} already.")
        event = Event.objects.filter(id=row.event).first()
        if event is None:
            raise WrongState("Its event is gone: retention drops whole days.")
        old = bytes(event.data)
        if (wrong := _wrong(old, data, event.datacontenttype)) is not None:
            raise WrongState(wrong)
        target = _target(to or row.subscription, event)
        made = amend(event.id, data, to=target.id)
        if made is None:
            raise WrongState("Its subscription was deleted: choose another one.")
        if not keep:
            settle([row], LetterState.REPLAYED, by=actor)
        after = {
            "event": ids.encode(Prefix.EVENT, made.event),
            "subscription": target.public_id,
            "kept_open": keep,
            **_described(data),
        }
        note(actor, "amend", row.public_id, tenant=row.owner, before=_described(old), after=after)
        return made


def _wrong(old: bytes, new: bytes, content_type: str | None) -> str | None:
    if new == old:
        return "Nothing was changed: Replay sends it as it is, to another endpoint too."
    if len(new) > settings.REDRIVE_EVENT_MAX_BYTES:
        limit = settings.REDRIVE_EVENT_MAX_BYTES
        return f"It has {len(new):,} bytes; an event has at most {limit:,}."
    if is_json_type(content_type) and new:
        try:
            msgspec.json.decode(new)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            return f"It is not JSON: {error}."
    return None


def _target(wanted: UUID, event: Event) -> Subscription:
    found = Subscription.objects.existing().filter(id=wanted).first()
    if found is None:
        raise WrongState("There is no such subscription, or it was deleted.")
    if found.tenant not in (None, event.tenant):
        raise WrongState(f"{found} belongs to another tenant than the event.")
    return found


def _described(data: bytes) -> dict[str, object]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}

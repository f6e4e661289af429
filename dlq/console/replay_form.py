"""What to replay, as a form: the same fields make the dry run and the order."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from dlq.console import places
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.select import Criteria
from events.console.inputs import IdField, MomentField, PatternField
from events.models import Subscription
from events.rules import ids
from events.rules.ids import Prefix

MOST_IDS = 1_000
RATE = 50.0
"""Deliveries a second, unless somebody says otherwise: brisk, and no flood."""

KINDS = {ReplaySource.DEAD_LETTERS: Prefix.DEAD_LETTER, ReplaySource.EVENTS: Prefix.EVENT}


class ReplayForm(forms.Form):
    """Bound to the query of the dry run and to the POST that orders it."""

    source = forms.ChoiceField(
        choices=[
            (ReplaySource.DEAD_LETTERS, "dead letters"),
            (ReplaySource.EVENTS, "events of the log"),
        ],
        label="Replay",
    )
    subscription = IdField(Prefix.SUBSCRIPTION, help_text="Dead letters of this subscription.")
    type = PatternField(label="Event type")
    tenant = forms.CharField(max_length=200, required=False)
    since = MomentField(label="From")
    before = MomentField(label="To")
    target = IdField(
        Prefix.SUBSCRIPTION,
        label="Send to",
        help_text="Another subscription. Empty: where they failed.",
    )
    rate = forms.FloatField(
        min_value=0.01, max_value=100_000, required=False, label="Deliveries a second",
        help_text="Empty: as fast as it goes.",
    )  # fmt: skip
    fresh = forms.BooleanField(
        required=False,
        label="Give them new webhook-ids",
        help_text="Receivers that drop repeats then take them for news.",
    )
    again = forms.BooleanField(
        required=False,
        label="Send again what was delivered",
        help_text="Otherwise what the endpoint was delivered already is left out.",
    )
    group = forms.UUIDField(required=False, widget=forms.HiddenInput)
    replay = IdField(Prefix.REPLAY, widget=forms.HiddenInput)
    ids = forms.CharField(required=False, widget=forms.HiddenInput, max_length=40_000)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        given = self.data or self.initial
        if given.get("source") == ReplaySource.EVENTS and given.get("ids"):
            offered = places.offered(given["ids"])
            if offered:
                self.fields["target"].widget = forms.Select(choices=offered)
                self.fields["target"].help_text = "One subscription: others stay as they are."

    def clean_target(self) -> UUID | None:
        target: UUID | None = self.cleaned_data["target"]
        if target and not Subscription.objects.existing().filter(id=target).exists():
            raise ValidationError("There is no such subscription.")
        return target

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if values.get("source"):
            values["ids"] = self._ids(ReplaySource(values["source"]), values.get("ids", ""))
        if values.get("source") == ReplaySource.EVENTS:
            if not values.get("target") and "target" not in self.errors:
                self.add_error("target", "Events need a subscription to be sent to.")
            if not values.get("ids") and not values.get("since") and "since" not in self.errors:
                self.add_error("since", "Say from when on: the log holds weeks.")
        return values

    def order(self, *, token: str) -> Order:
        """The cleaned values as the engine's order; what arrives from now on is left out."""
        values = self.cleaned_data
        names = ("ids", "group", "subscription", "type", "tenant", "since", "before", "replay")
        criteria = {name: values[name] or None for name in names}
        criteria["before"] = criteria["before"] or timezone.now()
        return Order(
            source=ReplaySource(values["source"]),
            criteria=Criteria(**criteria),
            token=token,
            target=values["target"],
            rate=values["rate"],
            fresh=values["fresh"],
            again=values["again"],
        )

    def as_posted(self, order: Order, *, digest: str) -> dict[str, str]:
        """The fields that the confirming form sends back, with the moment of the dry run."""
        criteria = order.criteria
        kept = {name: str(self.data.get(name, "")) for name in self.fields}
        moments = {"since": criteria.since, "before": criteria.before}
        kept |= {name: at.isoformat() for name, at in moments.items() if at is not None}
        kept |= {"fresh": "on" if order.fresh else "", "again": "on" if order.again else ""}
        return {**kept, "token": order.token, "digest": digest}

    def _ids(self, source: ReplaySource, text: str) -> tuple[UUID, ...]:
        found = [ids.decode(KINDS[source], part) for part in re.split(r"[,\s]+", text) if part]
        if len(found) > MOST_IDS:
            raise ValidationError(f"At most {MOST_IDS:,} can be picked one by one; use a filter.")
        if None in found:
            raise ValidationError(f"One of the ids does not begin with {KINDS[source]}_.")
        return tuple(one for one in found if one is not None)

"""What the list of deliveries is filtered by: the same fields choose what a bulk job acts on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from events.choose import Criteria
from events.console.inputs import Filters, IdField, MomentField, PatternField
from events.rules.ids import Prefix
from events.rules.outcome import Fault
from events.rules.states import FINISHED, DeliveryState, Owing

OWING = {
    Owing.OWED: "owed",
    Owing.DUE: "due",
    Owing.LATER: "retry later",
    Owing.PARKED: "parked",
}


class DeliveryFilters(Filters):
    state = forms.ChoiceField(
        choices=[
            ("", "any"),
            *OWING.items(),
            *((s, s.replace("_", " ")) for s in DeliveryState),
        ],
        required=False,
    )
    subscription = IdField(Prefix.SUBSCRIPTION)
    event = IdField(Prefix.EVENT)
    type = PatternField(label="Event type")
    status = forms.IntegerField(min_value=100, max_value=599, required=False, label="HTTP status")
    error = forms.CharField(max_length=200, required=False, label="Error contains")
    fault = forms.ChoiceField(choices=[("", "any"), (Fault.OURS, "ours")], required=False)
    tenant = forms.CharField(max_length=200, required=False)
    replay = IdField(Prefix.REPLAY)
    since = MomentField(label="Newer than")
    until = MomentField(label="Older than")

    @property
    def may_be_owed(self) -> bool:
        """Whether what it finds could still be retried or cancelled."""
        return self.is_valid() and self.chosen.get("state") not in FINISHED


def criteria_of(chosen: Mapping[str, Any]) -> Criteria:
    """What was filled in, in the words of the engine."""
    names = {"until": "before"}
    return Criteria(**{names.get(name, name): value for name, value in chosen.items()})

"""What a bulk job acts on, as a form: the filter of the list, or the rows that were ticked."""

from __future__ import annotations

import re
from typing import Self
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone

from events.bulk import Order
from events.console.delivery_filters import DeliveryFilters, criteria_of
from events.models.bulk import BulkVerb
from events.rules import ids
from events.rules.ids import Prefix

MOST_IDS = 1_000


class BulkForm(DeliveryFilters):
    """Bound to what the list sends, to the query of the dry run and to the POST that orders it."""

    verb = forms.ChoiceField(choices=[(v, v) for v in BulkVerb])
    ids = forms.CharField(required=False, max_length=40_000)
    all = forms.BooleanField(required=False)

    @classmethod
    def of_list(cls, query: QueryDict) -> Self:
        """The list sends one `ids` for each row that is ticked; all that match beats them."""
        ticked = "" if query.get("all") else ",".join(query.getlist("ids"))
        return cls({**query.dict(), "ids": ticked})

    def clean_ids(self) -> tuple[UUID, ...]:
        texts = re.findall(r"[^,\s]+", self.cleaned_data["ids"])
        if len(texts) > MOST_IDS:
            raise ValidationError(f"At most {MOST_IDS:,} can be picked one by one; use a filter.")
        found = [ids.decode(Prefix.DELIVERY, text) for text in texts]
        if None in found:
            raise ValidationError(f"One of the ids does not begin with {Prefix.DELIVERY}_.")
        return tuple(one for one in found if one is not None)

    @property
    def says_which(self) -> bool:
        return bool(self.cleaned_data["all"] or self.cleaned_data["ids"])

    def order(self, *, token: str) -> Order:
        """The cleaned values as the engine's order; what is owed from now on is left out."""
        filters = DeliveryFilters.base_fields
        chosen = {name: value for name, value in self.chosen.items() if name in filters}
        if self.cleaned_data["ids"]:
            chosen = {"ids": self.cleaned_data["ids"]}
        chosen.setdefault("until", self.cleaned_data["until"] or timezone.now())
        return Order(BulkVerb(self.cleaned_data["verb"]), criteria_of(chosen), token)

    def as_posted(self, order: Order | None) -> dict[str, str]:
        """The fields that the confirming form sends back, with the moments of the dry run."""
        kept = {name: str(self.data.get(name, "")) for name in self.fields}
        if order is not None:
            moments = {"since": order.criteria.since, "until": order.criteria.before}
            kept |= {name: at.isoformat() for name, at in moments.items() if at is not None}
            kept["token"] = order.token
        return kept

    def as_list(self) -> str:
        """The query of the list that it came from."""
        values = {name: self.data.get(name) for name in DeliveryFilters.base_fields}
        return urlencode({name: value for name, value in values.items() if value})

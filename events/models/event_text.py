"""What events say, as words to search for."""

from __future__ import annotations

from django.contrib.postgres.search import SearchVectorField
from django.db import models


class EventText(models.Model):
    """The words of one event (rules/words), partitioned by day like the event itself.

    Filled beside the publish path: an event without its row here is not found yet, and nothing
    else. `words` says by itself who may search for which.
    """

    id = models.UUIDField(primary_key=True)
    tenant = models.TextField(null=True)  # noqa: DJ001 - no tenant is not the tenant ""
    words = SearchVectorField()

    class Meta:
        managed = False
        db_table = "events_text"

    def __str__(self) -> str:
        return str(self.id)

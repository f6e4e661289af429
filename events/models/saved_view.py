"""Saved views: a list with a filter, kept under a name."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

LISTS = {
    "/events/": "events",
    "/subscriptions/": "subscriptions",
    "/deliveries/": "deliveries",
    "/dead-letters/": "dead letters in groups",
    "/dead-letters/all/": "dead letters",
    "/replays/": "replays",
    "/audit/": "audit log",
}
"""The paths that a view can be of, with what stands there."""

NAME_MAX = 60
QUERY_MAX = 1_000


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def seen_by(self, person: str) -> Self:
        """Somebody's own, and those that are shared with everyone."""
        return self.filter(Q(owner=person) | Q(shared=True)).order_by("name", "id")


class SavedView(models.Model):
    """`path` is one of LISTS and `query` its filter: a view leads to no other place.

    `owner` is a person as the audit log knows them.
    """

    id = models.UUIDField(primary_key=True)
    owner = models.TextField()
    path = models.TextField()
    name = models.CharField(max_length=NAME_MAX)
    query = models.CharField(max_length=QUERY_MAX)
    shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        indexes = [models.Index("path", "name", name="saved_view_path")]
        constraints = [
            models.UniqueConstraint(fields=["owner", "path", "name"], name="saved_view_once"),
            models.CheckConstraint(condition=Q(path__in=list(LISTS)), name="saved_view_list"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def href(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def list(self) -> str:
        """What it is a view of, in words."""
        return LISTS[self.path]

"""Periodic jobs, so that of many dispatchers exactly one starts each."""

from __future__ import annotations

from django.db import models


class Job(models.Model):
    """When a periodic job was last started, by Postgres's clock, and what it keeps between runs."""

    name = models.TextField(primary_key=True)
    started_at = models.DateTimeField()
    state = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name

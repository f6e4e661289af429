"""Tenants that are given more than an equal share; all others weigh 1."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

MOST = 100


class Tenant(models.Model):
    """`weight` times the share of a window goes to each lane of this tenant while lanes compete."""

    name = models.TextField(primary_key=True)
    weight = models.SmallIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(weight__range=(1, MOST)), name="tenant_weight")
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.weight}"

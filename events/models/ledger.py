"""The ledger: what was owed and how it ended, counted in the transactions that did it."""

from __future__ import annotations

from django.db import models


class LedgerEntry(models.Model):
    """How many deliveries of one lane were created or ended in one transaction.

    Rows are only added; the dispatcher sums old rows into one per lane (`rolled`), so a reader
    sums a few rows a lane. Compared with a count of the deliveries that are still owed, this is
    the proof that nothing was lost: created = delivered + dead + cancelled + owed.
    """

    subscription = models.UUIDField(db_column="subscription_id")
    tenant = models.TextField(null=True)  # noqa: DJ001 - no tenant is not the tenant ""
    created = models.BigIntegerField(default=0)
    delivered = models.BigIntegerField(default=0)
    dead = models.BigIntegerField(default=0)
    cancelled = models.BigIntegerField(default=0)
    rolled = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index("subscription", name="ledger_subscription")]

    def __str__(self) -> str:
        return f"{self.subscription}: +{self.created}"

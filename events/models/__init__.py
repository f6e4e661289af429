"""The tables of the engine, in the order in which an event meets them."""

from __future__ import annotations

from events.models.access import ApiKey, AuditEntry
from events.models.bulk import BulkJob
from events.models.delivery import Attempt, Delivery, FinishedDelivery, OwedDelivery
from events.models.event import Event, EventIdentity, FanOut
from events.models.event_text import EventText
from events.models.job import Job
from events.models.ledger import LedgerEntry
from events.models.load import LoadLevel
from events.models.poison import Poison
from events.models.process import Heartbeat
from events.models.saved_view import SavedView
from events.models.subscription import Epoch, Lane, Secret, Subscription
from events.models.tenant import Tenant

__all__ = [
    "ApiKey",
    "Attempt",
    "AuditEntry",
    "BulkJob",
    "Delivery",
    "Epoch",
    "Event",
    "EventIdentity",
    "EventText",
    "FanOut",
    "FinishedDelivery",
    "Heartbeat",
    "Job",
    "Lane",
    "LedgerEntry",
    "LoadLevel",
    "OwedDelivery",
    "Poison",
    "SavedView",
    "Secret",
    "Subscription",
    "Tenant",
]

"""Writing the audit log: one row a change, in the change's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from events.models import AuditEntry


def note(
    actor: str,
    action: str,
    target: str,
    *,
    tenant: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Says that `actor` did `action` to `target` (a public id); values must be free of secrets."""
    AuditEntry.objects.create(
        actor=actor,
        action=action,
        target=target,
        tenant=tenant,
        before=None if before is None else dict(before),
        after=None if after is None else dict(after),
    )

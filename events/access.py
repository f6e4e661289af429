"""API keys as people hand them out: made and revoked, and audited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from events import keys
from events.audit import note
from events.models import ApiKey


@transaction.atomic
def issue_key(
    *,
    actor: str,
    name: str,
    scopes: Sequence[str],
    tenant: str | None,
    expires_at: datetime | None,
) -> tuple[ApiKey, str]:
    """Makes an API key; the text beside the row is its only copy."""
    text = keys.new_key()
    row = keys.create_key(text=text, name=name, scopes=list(scopes), tenant=tenant)
    if expires_at is not None:
        row.expires_at = expires_at
        row.save(update_fields=["expires_at"])
    after = {"name": name, "scopes": list(scopes), "expires": expires_at and str(expires_at)}
    note(actor, "create-key", f"rdk_{row.lookup}", tenant=tenant, after=after)
    return row, text


@transaction.atomic
def revoke_key(*, actor: str, key: UUID) -> ApiKey:
    """Ends an API key for good; one that has ended stays as it is.

    Raises ApiKey.DoesNotExist.
    """
    row = ApiKey.objects.get(id=key)
    if ApiKey.objects.filter(id=key, revoked_at=None).update(revoked_at=Now()):
        before, after = {"name": row.name, "revoked": False}, {"name": row.name, "revoked": True}
        note(
            actor, "revoke-key", f"rdk_{row.lookup}", tenant=row.tenant, before=before, after=after
        )
    return row

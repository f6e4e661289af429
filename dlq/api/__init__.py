"""REST of this app: dead letters and replays."""

from __future__ import annotations

from ninja import Router

from dlq.api import letters, replays, skipped

router = Router(tags=["dead letters"])
router.add_router("", letters.router)
router.add_router("", replays.router)
router.add_router("", skipped.router)

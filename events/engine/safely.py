"""Recording when something is wrong: Postgres away, or one row that cannot be written."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from events.engine.record import Result, record
from events.engine.rescue import strike

log = logging.getLogger(__name__)


def record_safely(results: Sequence[Result], worker: str) -> None:
    """Records the batch, alone each if it must; holds it while Postgres is away.

    After the leases have run out it gives up: rescue makes the deliveries due again, and
    receivers know the repeats by their webhook-id. It raises nothing: whoever records must go on
    with the next batch, whatever was wrong with this one.
    """
    ends, pause = time.monotonic() + settings.REDRIVE_LEASE_GRACE, 0.1
    while True:
        try:
            record(results, worker=worker)
        except (OperationalError, InterfaceError) as error:
            connection.close()
            if time.monotonic() + pause > ends:
                log.error("%d verdicts are lost to their leases: %s", len(results), error)
                return
            time.sleep(pause)
            pause = min(pause * 2, 2.0)
        except Exception as error:  # noqa: BLE001 - one row's fault must not cost the others
            _apart(results, worker, error)
            return
        else:
            return


def _apart(results: Sequence[Result], worker: str, error: Exception) -> None:
    """A row that cannot be written harms only itself."""
    if len(results) > 1:
        for result in results:
            record_safely([result], worker)
        return
    claim = results[0].claim
    log.error("recording one delivery failed", exc_info=error)
    try:
        strike(claim, words=f"recording failed: {type(error).__name__}")
    except Exception:
        log.exception("it is left to its lease")
        connection.close()

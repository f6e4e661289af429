"""Publishes events of a day long ago, for a drill: what retention drops cannot be waited for.

Runs where Django is set up, in an environment of the stack: `manage.py shell -c`.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, time

from events.engine.retention import make_partitions
from events.publish import NewEvent, publish
from events.rules import ids


def publish_on(day: str, kind: str, *, many: int) -> None:
    """Makes the partitions from that day on, and publishes around its noon."""
    found = date.fromisoformat(day)
    make_partitions(found)
    noon = int(datetime.combine(found, time(12), UTC).timestamp() * 1000)
    data = b'{"key": "old", "number": 0}'
    made = [ids.uuid7(noon + number, os.urandom(10)) for number in range(many)]
    publish(
        [NewEvent(id=one, type=kind, source="/old", data=data) for one in made], identity_ttl=60.0
    )

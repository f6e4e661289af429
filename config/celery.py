"""Celery: it carries "there is work" to the workers; Postgres holds the work."""

from __future__ import annotations

import os
import sys
from typing import Any

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

# Postgres is the truth: a message that is lost or late is asked for again, so nothing waits for
# the broker longer than a second, and nothing is stored about results.
_SOCKET = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0, "retry_on_timeout": False}

# Kombu would try to reach a broker for six seconds and more before it says that it is away.
_NO_RETRY = {
    "max_retries": 0,
    "interval_start": 0,
    "interval_step": 0,
    "connect_retries_timeout": 1,
}


def _options() -> dict[str, Any]:
    return {
        "broker_url": settings.REDRIVE_BROKER_URL,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_ignore_result": True,
        "task_default_queue": "control",
        "task_routes": {"events.pump": {"queue": "deliveries"}},
        "task_publish_retry": False,
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "worker_soft_shutdown_timeout": 25.0,
        # A pump under way does not need the broker: it goes on while the connection is away.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # Otherwise each task ends with the pool closed, under the threads that claim and record.
        "CELERY_DB_REUSE_MAX": sys.maxsize,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {**_SOCKET, **_NO_RETRY, "visibility_timeout": 120},
        "redis_socket_timeout": 1.0,
        "redis_socket_connect_timeout": 1.0,
    }


TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "config.broker:Transport"))

app = Celery("redrive")
# Read at first use: whatever imports this package does not need a configured environment, such
# as the supervisor, which makes that environment.
app.add_defaults(_options)
app.autodiscover_tasks(["events", "dlq", "monitoring"])

"""What ties the apps together; nobody imports it."""

from __future__ import annotations

from config.celery import app as celery

__all__ = ["celery"]

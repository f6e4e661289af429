"""The processes of Redrive itself, as commands."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping

from config.stack import probes
from config.stack.options import Options
from config.stack.service import Service

PYTHON = sys.executable

ENDS_SENDS = 25.0
"""Seconds for whoever sends: open sends get 20 (events/engine/run.py), then they are recorded."""


def prepare(environ: Mapping[str, str]) -> Service:
    command = (PYTHON, "-m", "config.stack.prepare")
    return Service(name="prepare", command=command, environ=environ, grace=1.0)


def web(options: Options, environ: Mapping[str, str]) -> Service:
    listen = ("--host", options.host, "--port", str(options.port))
    return Service(
        name="web",
        command=(
            *(PYTHON, "-m", "granian", "--interface", "asginl", "--log-level", "warning"),
            *("--workers-kill-timeout", "2", *listen, "config.asgi:application"),
        ),
        environ=environ,
        grace=3.0,
        ready=probes.http(options.near, options.port),
    )


def worker(options: Options, environ: Mapping[str, str]) -> Service:
    """Told to stop, it ends what is in flight; its pool lives in its process group."""
    return Service(
        name="worker",
        command=(
            *(PYTHON, "-m", "celery", "-q", "-A", "config", "worker", "-Q", "deliveries,control"),
            *("-c", str(options.workers), "--loglevel", "WARNING"),
            *("--without-gossip", "--without-mingle"),
        ),
        # Celery warns root because of pickled messages; ours are JSON.
        environ={**environ, "PYTHONWARNINGS": "ignore:You're running the worker"},
        grace=ENDS_SENDS,
        # Without its servers it has nothing to end in order: its leases run out.
        orphaned=signal.SIGKILL,
    )


def dispatcher(environ: Mapping[str, str]) -> Service:
    command = (PYTHON, "manage.py", "dispatch")
    return Service(name="dispatcher", command=command, environ=environ, grace=ENDS_SENDS)


def demo(options: Options, environ: Mapping[str, str]) -> Service:
    host = f"[{options.near}]" if ":" in options.near else options.near
    command = (PYTHON, "manage.py", "demo", f"http://{host}:{options.port}")
    return Service(name="demo", command=command, environ=environ, grace=1.0)

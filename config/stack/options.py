"""What `make up` reads from the environment, and where things are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from config import env

ROOT = Path(__file__).resolve().parents[2]

STATIC = ROOT / "staticfiles"
"""Where collectstatic puts the files that the web process serves: the settings' STATIC_ROOT."""

LOOPBACK = "127.0.0.0/8,::1/128"
"""The networks that are open unless REDRIVE_ALLOW_ADDRESSES says which."""


@dataclass(frozen=True, slots=True)
class Options:
    """The environment of `make up`; a URL that is None means a server of our own."""

    host: str
    port: int
    data: Path
    workers: int
    database_url: str | None
    redis_url: str | None
    allow_addresses: str | None
    demo: bool = False

    @property
    def near(self) -> str:
        """The host by which this machine reaches the web process."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104

    @property
    def url(self) -> str:
        """The address to show."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def read(*, demo: bool = False) -> Options:
    """Raises env.Misconfigured with a sentence about the variable."""
    workers = env.integer("REDRIVE_WORKERS", 0, "Worker processes of `make up`; 0 for one a core.")
    folder = env.text(
        "REDRIVE_DATA_DIR", ".redrive", "Folder of the embedded servers and the credentials."
    )
    return Options(
        host=env.text("REDRIVE_HOST", "127.0.0.1", "Address that the web process listens on."),
        port=env.integer("REDRIVE_PORT", 8000, "Port of the web process.", least=1),
        data=Path(folder).absolute(),
        workers=workers or len(os.sched_getaffinity(0)),
        database_url=os.environ.get("DATABASE_URL", "").strip() or None,
        redis_url=os.environ.get("REDIS_URL", "").strip() or None,
        allow_addresses=os.environ.get("REDRIVE_ALLOW_ADDRESSES"),
        demo=demo,
    )

"""The receiver of the safe drills: a small HTTP server on this machine that remembers."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from events.rules.signing import verify_header

HOST = "127.0.0.1"
LONGEST_BODY = 65_536


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request: what was answered, and whether its signature held."""

    path: str
    webhook_id: str
    status: int
    signed: bool


class DrillReceiver:
    """Answers 200 on every path but those that are told to fail, while the context lasts."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.arrivals: list[Arrival] = []
        self.failing: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str) -> str:
        return f"http://{HOST}:{self._server.server_address[1]}{path}"

    def at(self, path: str) -> list[Arrival]:
        """What came to a path, in order."""
        return [one for one in self.arrivals if one.path == path]

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Remembers a request and gives the status to answer."""
        status = 500 if path in self.failing else 200
        self.arrivals.append(
            Arrival(path, headers.get("webhook-id", ""), status, self._signed(headers, body))
        )
        return status

    def _signed(self, headers: dict[str, str], body: bytes) -> bool:
        timestamp = headers.get("webhook-timestamp", "")
        return timestamp.isdigit() and verify_header(
            [self._secret],
            headers.get("webhook-signature", ""),
            webhook_id=headers.get("webhook-id", ""),
            timestamp=int(timestamp),
            body=body,
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        """http.server makes one handler a connection, so it is told here whom to ask."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_POST(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(min(size, LONGEST_BODY))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(receiver.take(self.path, headers, body))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """The drills say what came."""

        return Handler

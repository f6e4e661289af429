"""The recording receiver, outside the system: answers by path, writes a line for every request.

A line is JSON: when, path, webhook-id, status, whether the signature held, and the data's key and
number. `/ok` and `/ordered` answer 200; `/flaky` refuses the first try of every fifth delivery with
500; `/slow` takes a second; `/hole` never answers.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path

import uvloop

from drills.journal import Journal
from events.rules.signing import verify_header

LENGTH = re.compile(r"content-length: (\d+)", re.IGNORECASE)


class Recorder:
    """The journal and what the paths remember."""

    def __init__(self, journal: Path, secrets: Path) -> None:
        self._journal = Journal(journal)
        self._secrets = secrets
        self._tries: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                size = int(found[1]) if (found := LENGTH.search(head)) else 0
                body = await reader.readexactly(size)
                status = await self._answer(head, body)
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, head: str, body: bytes) -> int:
        lines = head.split("\r\n")
        path = lines[0].split(" ")[1]
        raw = {
            line.split(":", 1)[0].lower(): line.split(": ", 1)[1]
            for line in lines[1:]
            if ": " in line
        }
        webhook_id = raw.get("webhook-id", "")
        self._tries[webhook_id] += 1
        status = self._status(path, webhook_id)
        if path == "/slow":
            await asyncio.sleep(1.0)
        data = json.loads(body)
        self._journal.write(
            {
                "at": time.time(),
                "path": path,
                "id": webhook_id,
                "status": status,
                "signed": self._signed(path, raw, body),
                "key": data.get("key"),
                "number": data.get("number"),
                "hop": raw.get("traceparent", ""),
            }
        )
        if path == "/hole":
            await asyncio.sleep(3600)
        return status

    def _status(self, path: str, webhook_id: str) -> int:
        fifth = sum(webhook_id.encode()) % 5 == 0
        return 500 if path == "/flaky" and fifth and self._tries[webhook_id] == 1 else 200

    def _signed(self, path: str, headers: dict[str, str], body: bytes) -> bool:
        secrets: dict[str, str] = json.loads(self._secrets.read_text())
        try:
            return path in secrets and verify_header(
                [secrets[path]],
                headers["webhook-signature"],
                webhook_id=headers["webhook-id"],
                timestamp=int(headers["webhook-timestamp"]),
                body=body,
            )
        except (KeyError, ValueError):
            # What has no signature at all is answered and judged like what has a wrong one.
            return False


async def _main(port: int, folder: Path) -> None:
    recorder = Recorder(folder / "received.jsonl", folder / "secrets.json")
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), Path(sys.argv[2])))

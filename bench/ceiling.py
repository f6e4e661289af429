"""The ceiling of a delivery: pyreqwest against the same receiver, unsigned and unrecorded."""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop

from bench.load import client, single


async def _main(url: str, count: int, width: int) -> float:
    body = single("bench.ceiling")
    async with client() as http:
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                request = http.post(url).header("content-type", "application/json")
                async with request.body_bytes(body).build_streamed() as response:
                    await response.bytes()

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(width)))
        return count / (time.perf_counter() - began)


if __name__ == "__main__":
    print(uvloop.run(_main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))

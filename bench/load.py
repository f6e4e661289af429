"""Load on a publish endpoint, from a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import timedelta

import uvloop
from pyreqwest.client import Client, ClientBuilder

HEADERS = {"content-type": "application/json"}


def _event(kind: str, **data: object) -> dict[str, object]:
    return {"type": kind, "source": "/bench", "data": {"amount": 1250, "currency": "EUR", **data}}


def client() -> Client:
    """Without a proxy, and patient."""
    return ClientBuilder().no_proxy().timeout(timedelta(seconds=60)).build()


async def publish(url: str, key: str, *, body: bytes, count: int, width: int) -> float:
    """Posts `body` `count` times, `width` at a time; gives requests a second."""
    async with client() as http:
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                request = http.post(url).headers({**HEADERS, "authorization": f"Bearer {key}"})
                response = await request.body_bytes(body).build().send()
                if response.status != 202:
                    raise SystemExit(f"{url} answered {response.status}: {await response.text()}")

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(width)))
        return count / (time.perf_counter() - began)


async def steady(url: str, key: str, *, kind: str, rate: int, seconds: int) -> float:
    """Posts `rate` events a second, each with its own nanosecond in its data."""
    async with client() as http:
        headers = {**HEADERS, "authorization": f"Bearer {key}"}
        began, tasks = time.perf_counter(), []
        for number in range(rate * seconds):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            body = json.dumps(_event(kind, sent=time.time_ns()), separators=(",", ":")).encode()
            request = http.post(url).headers(headers).body_bytes(body).build()
            tasks.append(asyncio.create_task(request.send()))
        await asyncio.gather(*tasks)
        return rate * seconds / (time.perf_counter() - began)


def single(kind: str) -> bytes:
    return json.dumps(_event(kind)).encode()


def batch(kind: str, items: int) -> bytes:
    return json.dumps([_event(kind) for _ in range(items)]).encode()


async def _main(arguments: dict[str, object]) -> float:
    mode = arguments.pop("mode")
    url, key, kind = (str(arguments.pop(name)) for name in ("url", "key", "kind"))
    numbers = {name: int(str(value)) for name, value in arguments.items()}
    if mode == "steady":
        return await steady(url, key, kind=kind, rate=numbers["rate"], seconds=numbers["seconds"])
    items = numbers["items"]
    body = batch(kind, items) if mode == "batch" else single(kind)
    rate = await publish(url, key, body=body, count=numbers["count"], width=numbers["width"])
    return rate * items


if __name__ == "__main__":
    print(uvloop.run(_main(json.loads(sys.argv[1]))))

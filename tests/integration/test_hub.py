"""The hub and its sockets in trouble: what nobody understands, and tabs that nobody looks at."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from channels.layers import get_channel_layer

from monitoring import consumers, hub, pulse
from monitoring.hub import PAGES, Slot

pytestmark = pytest.mark.django_db(transaction=True)


def slot() -> Slot:
    return Slot(
        user=1,
        session="x",
        name="user-1",
        wanted=PAGES["overview"],
        watched=frozenset({"dlv_1"}),
    )


async def test_a_hint_that_is_held_back_for_a_hidden_tab_costs_nothing_until_it_is_shown() -> None:
    one = slot()
    one.hint(frozenset({"dlv_1"}))
    one.ready.clear()
    one.paused = True
    waiting = asyncio.create_task(consumers._wait(one, time.monotonic() - 5))
    assert not (await asyncio.wait([waiting], timeout=0.3))[0]
    one.go_on()
    await asyncio.wait_for(waiting, 1)
    assert one.changed == {"dlv_1"}


async def test_a_message_that_nobody_understands_does_not_silence_the_hub(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("monitoring.hub.AGAIN", 0.05)
    crowd, one = hub.Hub(), slot()
    crowd.join(one)
    await asyncio.sleep(0.3)
    await get_channel_layer().group_send(pulse.GROUP, {"type": pulse.FRAME})
    await asyncio.sleep(0.3)
    await asyncio.to_thread(pulse.send_frame, 7, {"ov-ledger": "<b>7</b>"})
    await asyncio.wait_for(one.ready.wait(), 5)
    assert one.take() == "<b>7</b>"
    for task in crowd._tasks:
        task.cancel()


def test_a_change_of_somebody_has_their_sockets_looked_up_and_is_no_news_for_their_page() -> None:
    mine, other = slot(), replace(slot(), name="user-2")
    for one in (mine, other):
        one.hint(frozenset({"user-1"}))
    assert mine.look_up.is_set()
    assert not other.look_up.is_set()
    assert not mine.changed
    assert not mine.ready.is_set()

"""The pulse: one sample a tick, drawn once, into the slot of every viewer; and who may look."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from events import jobs
from events.roles import Role, give
from events.rules.outcome import Responded
from monitoring import findings, hub, lanes, overview, pulse, samples, tick
from monitoring.consumers import FULL, SIGNED_OUT
from monitoring.hub import EVERYWHERE, PAGES, Slot
from monitoring.models import Finding, LaneQuarter, Sample
from monitoring.models.sample import SECONDS_KEPT
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)


def taken() -> Sample:
    return samples.take(Sample.objects.newest())


def viewer(role: Role = Role.VIEWER) -> Client:
    user = User.objects.create_user(f"a {role}", password="a long password")
    give(user, role)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


class Browser:
    """A browser's end of the console's socket."""

    def __init__(self, client: Client | None, origin: bytes = b"http://localhost") -> None:
        from config.asgi import application

        headers = [(b"origin", origin), (b"host", b"localhost")]
        if client is not None:
            cookie = f"redrive={client.cookies['redrive'].value}"
            headers.append((b"cookie", cookie.encode()))
        scope = {
            "type": "websocket",
            "path": "/ws/console/",
            "query_string": b"page=overview",
            "headers": headers,
        }
        wire: Any = ApplicationCommunicator
        self._wire = wire(application, scope)

    async def connect(self) -> bool:
        await self._wire.send_input({"type": "websocket.connect"})
        return bool((await self._wire.receive_output(5))["type"] == "websocket.accept")

    async def say(self, text: str) -> None:
        await self._wire.send_input({"type": "websocket.receive", "text": text})

    async def frame(self) -> str:
        return str((await self._wire.receive_output(5))["text"])

    async def closed_with(self) -> int:
        while (message := await self._wire.receive_output(5))["type"] != "websocket.close":
            pass
        return int(message["code"])

    async def hears_nothing(self) -> bool:
        return bool(await self._wire.receive_nothing(0.5))

    async def leave(self) -> None:
        await self._wire.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._wire.wait(5)


def slot(**fields: Any) -> Slot:
    values: dict[str, Any] = {
        "user": 1,
        "session": "x",
        "name": "user-1",
        "wanted": PAGES["overview"],
        "watched": frozenset(),
    }
    return Slot(**values | fields)


def test_a_sample_agrees_with_the_ledger() -> None:
    to = make.subscription()
    taken()
    owed = [make.owed(to) for _ in range(3)]
    make.recorded(Responded(200), want=1)
    sample = taken()
    assert (sample.created, sample.delivered, sample.owed) == (len(owed), 1, 2)
    assert sample.unaccounted == 0


def test_a_sample_says_what_is_parked_behind_an_open_breaker() -> None:
    to = make.subscription()
    make.owed(to)
    to.lane.state, to.lane.retry_at = "open", timezone.now()
    to.lane.save()
    sample = taken()
    assert (sample.due, sample.parked, sample.open) == (0, 1, 1)
    assert sample.lanes[0]["id"] == to.public_id


def test_samples_grow_in_version_and_are_summed_to_minutes_once_old() -> None:
    first, second = taken(), taken()
    assert second.id > first.id
    long_ago = timezone.now() - SECONDS_KEPT * 2
    Sample.objects.update(at=long_ago, delivered=2, attempts=1, p50=10.0)
    samples.keep()
    [minute] = Sample.objects.all()
    assert (minute.rolled, minute.delivered, minute.p50) == (True, 4, 10.0)
    assert Sample.objects.newest() is None


def test_a_tick_costs_few_queries_and_none_for_each_viewer(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(12):
        make.dead(make.subscription())
    tick.tick()
    with django_assert_max_num_queries(14):
        tick.tick()


async def test_only_what_changed_is_sent_and_the_pulse_always() -> None:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(pulse.GROUP, channel)
    await asyncio.to_thread(tick.tick)
    await asyncio.to_thread(tick.tick)
    await asyncio.to_thread(lambda: make.dead(make.subscription()))
    await asyncio.to_thread(tick.tick)
    frames: list[dict[str, str]] = []
    while len(frames) < 3:
        html = (await layer.receive(channel))["html"]
        frames += [html] if "pulse" in html else []
    first, second, third = frames
    assert set(first) >= set(overview.HEAD | overview.PARTS)
    assert "pulse" in second
    assert "ov-replays" not in second
    assert {"ov-deaths", "ov-ledger"} <= set(third)


def test_a_frame_is_small_and_every_part_has_one_root_with_its_id() -> None:
    for _ in range(12):
        make.dead(make.subscription(name="A name of usual length"))
    sample = taken()
    html = overview.render(overview.HEAD | overview.PARTS, overview.gather(sample, sample.at))
    assert sum(len(text) for text in html.values()) < 24_576
    for part, text in html.items():
        assert f'id="{part}"' in text.partition(">")[0]
        assert f'data-v="{sample.id}"' in text.partition(">")[0]
        assert "<form" not in text
        assert "<button" not in text


def test_a_slow_viewer_gets_the_newest_of_each_part_and_no_older() -> None:
    one = slot()
    for version in range(100):
        one.put({"ov-ledger": f"<b>{version}</b>", "elsewhere": "x"})
    assert one.take() == "<b>99</b>"
    assert one.take() == ""


def test_a_page_gets_only_the_parts_it_shows() -> None:
    elsewhere = slot(wanted=EVERYWHERE)
    elsewhere.put({"ov-ledger": "ledger", "head-ledger": "head"})
    assert elsewhere.take() == "head"


def test_a_hint_reaches_only_who_watches() -> None:
    watching, other = slot(watched=frozenset({"dlv_1"})), slot()
    for one in (watching, other):
        one.hint(frozenset({"dlv_1", "dlv_2"}))
    assert (watching.changed, other.changed) == ({"dlv_1"}, set())


async def test_a_hub_serves_six_sockets_of_one_user() -> None:
    crowd = hub.Hub()
    assert [crowd.join(slot()) for _ in range(7)] == [True] * 6 + [False]
    assert crowd.join(slot(user=2))
    for task in crowd._tasks:
        task.cancel()


async def test_a_frame_of_the_tick_reaches_a_browser() -> None:
    client = await asyncio.to_thread(viewer)
    one = Browser(client)
    assert await one.connect()
    await asyncio.sleep(0.3)
    await asyncio.to_thread(pulse.send_frame, 7, {"ov-ledger": "<b id='ov-ledger'>7</b>"})
    assert await one.frame() == "<b id='ov-ledger'>7</b>"
    await one.leave()


async def test_a_stranger_is_refused_after_the_handshake() -> None:
    one = Browser(None)
    assert await one.connect()
    assert await one.closed_with() == SIGNED_OUT


async def test_somebody_without_a_role_is_refused() -> None:
    one = Browser(await asyncio.to_thread(viewer, Role.NOBODY))
    assert await one.connect()
    assert await one.closed_with() == SIGNED_OUT


async def test_a_foreign_origin_gets_no_handshake() -> None:
    assert not await Browser(None, origin=b"https://evil.example").connect()


async def test_signing_out_ends_the_sockets_of_other_tabs() -> None:
    client = await asyncio.to_thread(viewer)
    one = Browser(client)
    await one.connect()
    await asyncio.sleep(0.3)
    await asyncio.to_thread(client.post, "/sign-out/")
    assert await one.closed_with() == SIGNED_OUT


async def test_a_demoted_user_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.consumers.CHECKED", 0.2)
    client = await asyncio.to_thread(viewer)
    one = Browser(client)
    await one.connect()
    await asyncio.to_thread(lambda: give(User.objects.get(), Role.NOBODY))
    assert await one.closed_with() == SIGNED_OUT


async def test_a_seventh_tab_is_told_to_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.hub.A_USER", 0)
    one = Browser(await asyncio.to_thread(viewer))
    await one.connect()
    assert await one.closed_with() == FULL


async def test_a_hidden_tab_gets_nothing_and_then_the_newest() -> None:
    one = Browser(await asyncio.to_thread(viewer))
    await one.connect()
    await one.say("pause")
    await asyncio.sleep(0.3)
    for version in (1, 2):
        await asyncio.to_thread(pulse.send_frame, version, {"pulse": f"<i>{version}</i>"})
    assert await one.hears_nothing()
    await one.say("resume")
    assert await one.frame() == "<i>2</i>"
    await one.leave()


def test_a_lost_redis_costs_a_frame_and_nothing_else(settings: Settings) -> None:
    nowhere = {"CONFIG": {"hosts": ["redis://127.0.0.1:9/0"]}}
    settings.CHANNEL_LAYERS = {"default": settings.CHANNEL_LAYERS["default"] | nowhere}
    tick.tick()
    assert Sample.objects.exists()


def test_a_finding_stands_once_and_is_cleared_when_it_is_over() -> None:
    to = make.subscription(name="Orders")
    to.lane.state, to.lane.retry_at = "open", timezone.now()
    to.lane.save()
    taken()
    findings.judge()
    findings.judge()
    [finding] = Finding.objects.standing()
    assert (finding.kind, finding.side, finding.subject) == ("breaker", "theirs", to.public_id)
    to.lane.state, to.lane.retry_at = "closed", None
    to.lane.save()
    findings.judge()
    assert not Finding.objects.standing().exists()


def test_a_lane_has_its_success_and_its_percentile_of_the_last_hour() -> None:
    to = make.subscription()
    for status in (200, 200, 200, 500):
        make.owed(to)
        make.recorded(Responded(status))
    taken()
    jobs.start_due({lanes.JOB: 10.0})
    time.sleep(0.6)
    lanes.add_up()
    lanes.add_up()
    assert LaneQuarter.objects.get().attempts == 4
    health = lanes.health_of([to.id], timezone.now())[to.id]
    assert (health.success, health.p95, health.attempts) == (0.75, 5.0, 4)

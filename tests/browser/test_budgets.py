"""What the overview weighs on the wire."""

from __future__ import annotations

import gzip
from urllib.parse import urlsplit

from playwright.sync_api import Response

from tests.browser.people import People
from tests.browser.test_live import live
from tests.browser.world import World

KB = 1024


def test_the_overview_is_120_kb_on_the_wire_and_its_code_45(people: People, world: World) -> None:
    page = people.arrives("admin")
    answers: list[Response] = []

    def hear(answer: Response) -> None:
        answers.append(answer)

    page.on("response", hear)
    page.goto("/")
    live(page)
    page.wait_for_load_state("networkidle")
    sizes = {urlsplit(one.url).path: one.request.sizes()["responseBodySize"] for one in answers}
    code = sum(size for path, size in sizes.items() if path.endswith((".js", ".css")))
    html = answers[0].body()
    assert sum(sizes.values()) <= 120 * KB, sizes
    assert code <= 45 * KB, sizes
    assert len(html) <= 60 * KB
    assert sizes["/"] <= len(gzip.compress(html)) * 1.2

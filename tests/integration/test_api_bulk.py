"""Bulk retry and cancel over REST: counted or done, once, and of one's own tenant only."""

from __future__ import annotations

from typing import Any

import pytest

from events.bulk import step
from events.models import AuditEntry, BulkJob, OwedDelivery
from events.rules.outcome import Responded
from tests import make
from tests.rest import of_tenant, operator

pytestmark = pytest.mark.django_db


def failed(many: int, *, tenant: str | None = None) -> None:
    to = make.subscription(tenant=tenant, max_concurrency=5_000)
    make.backlog(to, many, tenant=tenant)
    make.recorded(Responded(503), schedule=[600.0])


def public_ids() -> list[str]:
    return [row.public_id for row in OwedDelivery.objects.order_by("id")]


def test_a_dry_run_counts_and_writes_nothing() -> None:
    failed(3)
    make.backlog(make.subscription(types=["other"]), 2, type="other")
    answer = operator().post("deliveries/retry", {"dry_run": True})
    assert answer.status == 200
    assert (answer.json["total"], answer.json["left"]) == (3, 4)
    assert list(answer.json["by_subscription"].values()) == [3]
    assert not BulkJob.objects.exists()


def test_a_job_is_ordered_read_listed_and_done() -> None:
    failed(3)
    wanted = {"ids": public_ids()[:2], "status": 503, "type": "order.*"}
    rest = operator()
    made = rest.post("deliveries/cancel", {"criteria": wanted})
    assert made.status == 202
    shown = made.json["criteria"]
    assert shown.pop("before")
    assert shown == wanted
    step(BulkJob.objects.get().id)
    found = rest.get(f"bulk/{made.json['id']}").json
    assert (found["verb"], found["state"], found["total"], found["acted"]) == (
        *("cancel", "running"),
        *(2, 2),
    )
    assert [one["id"] for one in rest.get("bulk", state="running").json["data"]] == [found["id"]]
    assert OwedDelivery.objects.count() == 1


def test_a_job_is_stopped_once() -> None:
    failed(1)
    rest = operator()
    made = rest.post("deliveries/retry", {}).json
    assert rest.post(f"bulk/{made['id']}/cancel").json["state"] == "cancelled"
    assert rest.post(f"bulk/{made['id']}/cancel").code == "wrong_state"
    actions = AuditEntry.objects.filter(target=made["id"]).values_list("action", flat=True)
    assert set(actions) == {"bulk-retry", "cancel-bulk"}


def test_a_repeated_key_is_one_job_and_another_order_under_it_is_refused() -> None:
    failed(2)
    rest, body = operator(), {"criteria": {"status": 503}}
    first, second = (rest.post("deliveries/retry", body, Idempotency_Key="k") for _ in range(2))
    assert first.json["id"] == second.json["id"]
    assert rest.post("deliveries/cancel", body, Idempotency_Key="k").code == "identity_conflict"
    assert rest.post("deliveries/retry", {}, Idempotency_Key="k").code == "identity_conflict"
    assert BulkJob.objects.count() == 1


def test_a_key_of_one_tenant_acts_on_that_tenants_only() -> None:
    failed(2, tenant="acme")
    failed(3, tenant="globex")
    make.backlog(make.subscription(types=["other"]), 1, type="other")
    acme = of_tenant("acme")
    assert acme.post("deliveries/cancel", {"dry_run": True}).json["total"] == 2
    made = acme.post("deliveries/cancel", {}).json
    while step(BulkJob.objects.get().id):
        pass
    assert OwedDelivery.objects.filter(owner="acme").count() == 0
    assert OwedDelivery.objects.count() == 4
    assert made["tenant"] == "acme"
    assert of_tenant("globex").get(f"bulk/{made['id']}").status == 404
    assert of_tenant("globex").get("bulk").json["data"] == []


@pytest.mark.parametrize(
    ("criteria", "pointer"),
    [
        ({"state": "dead"}, "/criteria/state"),
        ({"ids": ["dlv_1"]}, "/criteria/ids/0"),
        ({"ids": []}, "/criteria/ids"),
        ({"status": 1}, "/criteria/status"),
        ({"colour": "red"}, "/criteria/colour"),
    ],
)
def test_a_wrong_criterion_is_refused(criteria: dict[str, Any], pointer: str) -> None:
    refused = operator().post("deliveries/cancel", {"criteria": criteria})
    assert (refused.status, refused.pointer) == (422, pointer)

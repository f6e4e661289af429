from __future__ import annotations

from events.rules.states import FINISHED, TRANSITIONS, DeliveryState


def test_every_state_of_a_delivery_says_where_it_may_go() -> None:
    assert set(TRANSITIONS) == set(DeliveryState)


def test_a_finished_delivery_goes_nowhere_and_any_other_can_finish() -> None:
    for state, after in TRANSITIONS.items():
        assert (not after) == (state in FINISHED)


def test_a_delivery_is_delivered_only_out_of_a_claim() -> None:
    sources = {state for state, after in TRANSITIONS.items() if DeliveryState.DELIVERED in after}
    assert sources == {DeliveryState.IN_FLIGHT}


def test_a_claim_can_be_given_back_and_can_be_cancelled() -> None:
    after = TRANSITIONS[DeliveryState.IN_FLIGHT]
    assert {DeliveryState.PENDING, DeliveryState.CANCELLED} <= after


def test_no_state_follows_itself() -> None:
    assert all(state not in after for state, after in TRANSITIONS.items())

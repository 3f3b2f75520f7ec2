"""Stripe: reading any event raises nothing, and the result can be written into the log."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from outbox.encoding import encode_all
from outbox.stripe import Rules, SubscriptionState
from outbox.stripe.events import READERS, read_event
from outbox.stripe.recording import within_reach
from outbox.stripe.state import FreePeriod, Refund, write
from tests.support.strategies import json_values
from tests.support.stripe_events import NEW, OLD

EVENTS = [
    event
    for stripe in (OLD, NEW)
    for event in (
        stripe.invoice_paid(metadata={"account_id": "42", "handl_id": "h"}),
        stripe.invoice_paid(reason="subscription_cycle"),
        stripe.trial_invoice(),
        stripe.invoice_payment_paid(),
        stripe.checkout(reference="42"),
        stripe.checkout("subscription", reference="42"),
        stripe.charge_refunded(10),
        stripe.subscription(),
        stripe.customer(metadata={"account_id": "42"}),
    )
]
STATE = SubscriptionState(
    free=[FreePeriod(1, 2**40, opens=True)],
    order_id="in_1",
    added=5,
    released=[Refund("ch:5", at=1, currency="EUR", amount=5)],
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of everything inside `value`."""
    inside: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    return [path, *(place for key, entry in inside for place in places(entry, (*path, key)))]


@st.composite
def broken_events(draw: st.DrawFn) -> Any:
    """Draw one of Stripe's events with a few values replaced or removed."""
    event = copy.deepcopy(draw(st.sampled_from(EVENTS)))
    for _ in range(draw(st.integers(1, 4))):
        *way, last = draw(st.sampled_from([place for place in places(event) if place]))
        holder = event
        for key in way:
            holder = holder[key]
        holder[last] = draw(st.one_of(json_values, st.integers(0, 2**32), st.integers(-(10**40), 10**40)))
    return event


@given(broken_events())
def test_a_broken_event_raises_nothing_and_the_result_can_be_stored(event):
    for rules in (Rules(trials=True), Rules(client_reference="handl_id")):
        reading = read_event(event, rules)
        if reading:
            conversions = [within_reach(conversion) for conversion in reading.conversions(STATE)]
            json.loads(encode_all(conversions))
            observed = json.loads(write(reading.observed)) if reading.observed else {}
            assert all(name.isprintable() for name in observed.get("payments", ()))


@given(st.dictionaries(st.sampled_from(["id", "type", "created", "data"]), json_values), st.sampled_from(list(READERS)))
def test_an_envelope_with_anything_in_it_raises_nothing(envelope, kind):
    read_event(envelope, Rules())
    read_event({**envelope, "type": kind}, Rules(trials=True))

"""One bad event harms itself only."""

from __future__ import annotations

import random

import pytest

from dispatcher.destinations.meta import destination as meta


def record_thousand(spine):
    spine.connection.execute("UPDATE outbox.destination SET enabled = (name = 'meta')")
    spine.connection.execute(
        """
        INSERT INTO outbox.event (name, event_id, lead_id)
        SELECT 'lead_submitted', 'e' || n, n FROM generate_series(1, 1000) AS n
        """
    )


def spread():
    return {f"e{number}" for number in range(25, 1001, 50)}


def scattered():
    return {f"e{number}" for number in random.Random(7).sample(range(1, 1001), 20)}


def together():
    return {f"e{number}" for number in range(491, 511)}


@pytest.mark.parametrize("arrangement", [spread, scattered, together])
async def test_twenty_bad_among_a_thousand_cost_less_than_250_requests(spine, arrangement):
    bad = arrangement()
    record_thousand(spine)
    spine.faults("meta", reject_event_ids=sorted(bad))
    assert await spine.drain() == 0
    receipts = spine.receipts()
    assert {event for (event, _), (outcome, _) in receipts.items() if outcome == "failed"} == bad
    assert sum(outcome == "delivered" for outcome, _ in receipts.values()) == 980
    taken = [arrival for arrival in spine.arrivals("meta") if arrival.verdict != "invalid"]
    assert {arrival.verdict for arrival in taken} == {"counted"}
    rows = spine.connection.execute(
        "SELECT DISTINCT code, subcode FROM outbox.receipt WHERE outcome = 'failed'"
    ).fetchall()
    assert rows == [(100, 2804016)]
    assert len(spine.sandbox.ledger.requests) < 250


async def test_bad_events_are_found_between_other_failures(spine):
    record_thousand(spine)
    bad = scattered()
    rates = {"http_500": 0.05, "reset_after_accept": 0.05, "throttled": 0.02, "garbage": 0.02}
    spine.faults("meta", reject_event_ids=sorted(bad), rates=rates, seed=3)
    await spine.drain_until_nothing_is_pending(minutes=10)
    receipts = spine.receipts()
    assert {event for (event, _), (outcome, _) in receipts.items() if outcome == "failed"} == bad
    assert "again" not in {arrival.verdict for arrival in spine.arrivals("meta")}


async def test_an_event_that_cannot_be_built_harms_itself_only(spine, monkeypatch):
    build = meta.build

    def breaks(delivery, *rest, **named):
        if delivery.event.event_id == "bad":
            raise RuntimeError(delivery.event.event_id)
        return build(delivery, *rest, **named)

    monkeypatch.setattr(meta, "build", breaks)
    for event in ("good", "bad"):
        spine.record(name="lead_submitted", event_id=event, lead_id="1")
    assert await spine.drain() == 0
    assert spine.receipts()["bad", "meta"] == ("failed", "cannot be built")
    assert spine.receipts()["good", "meta"] == ("delivered", None)
    assert spine.receipts()["bad", "ga4"] == ("delivered", None)

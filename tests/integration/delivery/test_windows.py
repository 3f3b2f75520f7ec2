"""Retries go on until the destination's own window closes; a repeat that would be counted is never made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dispatcher.config.settings import Secret
from dispatcher.delivery.dead_letters import DeadLetterFilter, requeue
from dispatcher.delivery.queue import PostgresQueue
from dispatcher.models import Settlement
from dispatcher.telemetry.prometheus import REGISTRY


async def test_meta_is_tried_for_seven_days_and_then_the_event_has_failed(spine):
    spine.faults("meta", rates={"http_500": 1.0})
    spine.record(name="lead_submitted", event_id="e", lead_id="1")
    await spine.drain()
    spine.clock.move(days=6, hours=23, minutes=50)
    assert await spine.drain() == 1
    spine.clock.move(minutes=15)
    assert await spine.drain() == 0
    assert spine.receipts()["e", "meta"] == ("failed", "window closed")
    assert spine.receipts()["e", "ga4"] == ("delivered", None)
    assert {outcome for outcome, _ in spine.attempts("meta")} == {"transient"}


async def test_meta_is_delivered_on_the_last_day(spine):
    spine.faults("meta", rates={"http_500": 1.0})
    spine.record(name="lead_submitted", event_id="e", lead_id="1")
    await spine.drain()
    spine.clock.move(days=6, hours=23)
    spine.faults("meta")
    assert await spine.drain() == 0
    assert spine.receipts()["e", "meta"] == ("delivered", None)


async def test_ga4_is_tried_for_72_hours(spine):
    spine.faults("ga4", rates={"http_503": 1.0})
    spine.record(name="lead_submitted", event_id="e", lead_id="1")
    await spine.drain()
    spine.clock.move(hours=71, minutes=50)
    assert await spine.drain() == 1
    spine.clock.move(minutes=10)
    assert await spine.drain() == 0
    assert spine.receipts()["e", "ga4"] == ("failed", "window closed")


async def test_an_unknown_outcome_at_meta_is_repeated_while_meta_knows_a_repeat(spine):
    spine.faults("meta", script=["reset_after_accept"])
    spine.record(name="lead_submitted", event_id="e", lead_id="1")
    assert await spine.drain() == 1
    spine.clock.move(hours=46)
    assert await spine.drain() == 0
    assert [arrival.verdict for arrival in spine.arrivals("meta")] == ["counted", "duplicate"]
    assert spine.receipts()["e", "meta"] == ("delivered", None)


async def test_an_unknown_outcome_at_meta_is_never_repeated_when_it_would_count(spine):
    spine.faults("meta", rates={"reset_after_accept": 1.0})
    spine.record(name="lead_submitted", event_id="e", lead_id="1")
    await spine.drain()
    spine.clock.move(hours=46, minutes=55)
    assert await spine.drain() == 1
    spine.clock.move(minutes=10)
    assert await spine.drain() == 0
    assert spine.receipts()["e", "meta"] == ("failed", "window closed")
    spine.clock.move(hours=10)
    await spine.drain()
    assert [arrival.verdict for arrival in spine.arrivals("meta")] == ["counted", "duplicate"]


async def test_a_dead_letter_of_unknown_outcome_is_not_sent_again_by_requeueing_it(spine, database):
    spine.faults("meta", rates={"reset_after_accept": 1.0})
    spine.record(name="lead_submitted", event_id="e", lead_id="1")
    await spine.drain()
    spine.clock.move(hours=48)
    await spine.drain()
    spine.faults("meta")
    spine.clock.move(seconds=1)
    assert await requeue(database, DeadLetterFilter()) == 1
    assert await requeue(database, DeadLetterFilter()) == 0
    assert await spine.drain() == 0
    assert len(spine.arrivals("meta")) == 1
    rows = spine.connection.execute(
        "SELECT revision, outcome, reason FROM outbox.receipt WHERE destination = 1"
    ).fetchall()
    assert sorted(rows) == [(0, "failed", "window closed"), (1, "failed", "window closed")]


async def test_an_unknown_outcome_at_ga4_is_repeated_and_marked(spine):
    spine.faults("ga4", script=["reset_after_accept"])
    spine.record(name="lead_submitted", event_id="e", lead_id="1")
    await spine.drain_until_nothing_is_pending(minutes=1)
    assert len(spine.arrivals("ga4")) == 2
    assert [outcome for outcome, _ in spine.attempts("ga4")] == ["uncertain"]


async def test_a_lease_that_expired_is_not_repeated_when_it_would_count(spine, database):
    spine.record(name="lead_submitted", event_id="e", lead_id="1")
    spine.connection.execute("UPDATE outbox.destination SET enabled = (name = 'meta')")
    spine.connection.execute("UPDATE outbox.destination SET paused = true")
    await spine.drain()
    spine.connection.execute("UPDATE outbox.destination SET paused = false")
    lost = {"destination": 1, "holder": "killed", "lease": timedelta(seconds=30), "limit": 10, "newest": 0, "losses": 0}
    assert len(await database.run("claim_deliveries", lost | {"since": datetime(2000, 1, 1, tzinfo=UTC)})) == 1
    spine.clock.move(hours=47, minutes=1)
    assert await spine.drain() == 0
    assert spine.arrivals("meta") == []
    assert spine.receipts()["e", "meta"] == ("failed", "window closed")
    assert spine.attempts("meta") == [("uncertain", "lease expired")]


async def test_the_browser_s_copy_counts_after_47_hours(spine):
    spine.faults("meta", rates={"http_500": 1.0})
    spine.record(name="lead_submitted", event_id="e", lead_id="1", details={"browser_pair": True})
    await spine.drain()
    spine.clock.move(hours=47)
    spine.faults("meta")
    assert await spine.drain() == 0
    assert spine.receipts()["e", "meta"] == ("skipped", "sent by the browser")
    assert spine.arrivals("meta") == []


async def test_what_becomes_too_old_while_a_destination_is_paused_or_halted_has_failed(spine):
    spine.connection.execute("UPDATE outbox.destination SET paused = true WHERE name = 'meta'")
    spine.settings = spine.settings.changed("ga4", secret=Secret())
    spine.record(name="lead_submitted", event_id="e", lead_id="1")
    assert await spine.drain() == 2
    spine.clock.move(hours=71)
    assert await spine.drain() == 2
    spine.clock.move(hours=1)
    labels = {"destination": "ga4", "outcome": "failed", "reason": "window closed"}
    before = REGISTRY.get_sample_value("outbox_receipts_total", labels) or 0
    assert await spine.drain() == 1
    assert spine.receipts() == {("e", "ga4"): ("failed", "window closed")}
    assert REGISTRY.get_sample_value("outbox_receipts_total", labels) == before + 1
    spine.clock.move(days=4)
    assert await spine.drain() == 0
    assert spine.receipts()["e", "meta"] == ("failed", "window closed")
    assert not spine.sandbox.ledger.arrivals


async def test_the_window_of_a_resend_counts_from_the_send_however_late_it_was_settled(spine, database):
    """The database was unavailable between the send and its settlement."""
    spine.connection.execute("UPDATE outbox.destination SET enabled = (name = 'meta')")
    spine.record(name="lead_submitted", event_id="e", lead_id="1", handl_id="H1")
    spine.connection.execute("UPDATE outbox.destination SET paused = true")
    await spine.drain()
    spine.connection.execute("UPDATE outbox.destination SET paused = false")
    queue = PostgresQueue(database, 1, "cut off", timedelta(days=1))
    lease = await queue.claim(10)
    sent_at = lease.claimed_at
    spine.clock.move(hours=3)
    settlement = Settlement(
        lease.deliveries[0].event.id, 0, "delivered", status=200, sent=["external_id:0"], sent_at=sent_at
    )
    assert await queue.settle(lease, [settlement]) == 1
    spine.clock.move(hours=45)
    spine.record(name="signed_in", event_id="in", account_id="A1", handl_id="H1")
    assert await spine.drain() == 0
    assert spine.arrivals("meta") == []


async def test_a_disabled_destination_is_sent_nothing_more(spine):
    spine.faults("meta", rates={"http_500": 1.0})
    spine.record(name="lead_submitted", event_id="e", lead_id="1")
    assert await spine.drain() == 1
    spine.connection.execute("UPDATE outbox.destination SET enabled = false WHERE name = 'meta'")
    spine.faults("meta")
    spine.clock.move(minutes=1)
    assert await spine.drain() == 0
    assert spine.arrivals("meta") == []
    assert spine.receipts()["e", "meta"] == ("skipped", "disabled")

"""After a merge, sent events are enriched and sent again, if that helps and cannot count twice."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256

import pytest

from dispatcher import daemon, routing
from dispatcher.intake import worker
from tests.support.waiting import until

BROWSER = {
    "ip": "203.0.113.7",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
    "url": "https://crm.example/form",
    "fbp": "fb.1.1700000000000.1234567890",
    "ga_client_id": "123.456",
}


def sha(text):
    return sha256(text.encode()).hexdigest()


def lead(spine, event_id="lead", **fields):
    spine.record(
        name="lead_submitted", event_id=event_id, visitor=BROWSER, **{"handl_id": "H1", "lead_id": "L1"} | fields
    )


def account(spine, event_id="account", name="account_created", **fields):
    person = {"email": "ada@example.com", "country": "GB"}
    spine.record(name=name, event_id=event_id, person=person, **{"account_id": "A1", "handl_id": "H1"} | fields)


def sent(spine, event_id, destination="meta"):
    """The payloads of an event in order of arrival, each with the verdict of the sandbox."""
    return [
        (arrival.verdict, json.loads(bytes(arrival.payload)))
        for arrival in spine.arrivals(destination)
        if arrival.event_id == event_id
    ]


def revisions(spine):
    return sorted(
        spine.connection.execute("SELECT event_id, destination, revision, reason FROM outbox.revision").fetchall()
    )


async def test_an_event_sent_before_the_merge_is_sent_again_once_enriched(spine):
    lead(spine)
    await spine.drain()
    account(spine)
    assert await spine.drain() == 0
    (first_verdict, first), (verdict, again) = sent(spine, "lead")
    assert (first_verdict, verdict) == ("counted", "duplicate")
    assert (again["event_id"], again["event_time"]) == (first["event_id"], first["event_time"])
    assert first["user_data"]["external_id"] == [sha("h1"), sha("lead:l1")]
    assert again["user_data"]["external_id"] == [sha("a1"), sha("h1"), sha("lead:l1")]
    assert "em" not in first["user_data"]
    assert again["user_data"]["em"] == [sha("ada@example.com")]
    assert len(sent(spine, "lead", "ga4")) == 1
    assert await spine.drain() == 0
    assert len(sent(spine, "lead")) == 2


async def test_nothing_is_sent_again_without_a_new_identifier(spine):
    account(spine)
    await spine.drain()
    account(spine, event_id="again", name="trial_started")
    account(spine, event_id="signed", name="signed_in", lead_id="")
    assert await spine.drain() == 0
    assert len(sent(spine, "account")) == 1
    assert [row for row in revisions(spine) if row[1] == 1] == []


async def test_a_merge_three_days_later_sends_nothing_again(spine):
    lead(spine)
    await spine.drain()
    spine.clock.move(days=3)
    account(spine)
    assert await spine.drain() == 0
    assert len(sent(spine, "lead")) == 1


@pytest.mark.parametrize(("hours", "copies"), [(46.9, 2), (47.1, 1)])
async def test_the_window_is_47_hours_from_the_first_attempt(spine, hours, copies):
    lead(spine)
    await spine.drain()
    spine.clock.move(hours=hours)
    account(spine)
    assert await spine.drain() == 0
    assert len(sent(spine, "lead")) == copies
    assert "again" not in {verdict for verdict, _ in sent(spine, "lead")}


async def test_a_resend_that_waits_too_long_is_not_made(spine):
    lead(spine)
    await spine.drain()
    spine.clock.move(hours=46.9)
    spine.faults("meta", rates={"http_500": 1.0})
    account(spine)
    await spine.drain()
    spine.clock.move(hours=2)
    spine.faults("meta")
    await spine.drain()
    assert len(sent(spine, "lead")) == 1


async def test_an_event_is_never_sent_again_under_another_account(spine):
    account(spine, account_id="A1")
    lead(spine, lead_id="L1")
    await spine.drain()
    assert sent(spine, "lead")[0][1]["user_data"]["external_id"][0] == sha("a1")
    # A sign-in that comes late, but happened between: the lead would now belong to A2.
    spine.connection.execute(
        """
        INSERT INTO outbox.event (name, event_id, account_id, handl_id, lead_id, occurred_at)
        SELECT 'signed_in', 'late', 'A2', 'H1', '', occurred_at - interval '1 microsecond'
        FROM outbox.event WHERE event_id = 'lead'
        """
    )
    assert await spine.drain() == 0
    assert len(sent(spine, "lead")) == 1


async def test_ga4_gets_one_merge_notice_without_an_event(spine):
    lead(spine)
    await spine.drain()
    account(spine, event_id="s1", name="signed_in")
    account(spine, event_id="s2", name="signed_in")
    assert await spine.drain() == 0
    notices = [arrival for arrival in spine.arrivals("ga4") if arrival.kind == "enrichment"]
    assert len(notices) == 1
    envelope = json.loads(bytes(notices[0].envelope))
    assert envelope["client_id"] == "123.456"
    assert envelope["user_id"] == "A1"
    assert envelope["user_data"]["sha256_email_address"] == [sha("ada@example.com")]
    assert notices[0].problems == []
    assert len([arrival for arrival in spine.arrivals("ga4") if arrival.kind == "event"]) == 1


async def test_a_merge_that_ga4_receives_as_an_event_needs_no_notice(spine):
    account(spine)
    assert await spine.drain() == 0
    assert [arrival.kind for arrival in spine.arrivals("ga4")] == ["event"]


async def test_an_event_in_flight_at_the_merge_is_assessed_again(spine):
    spine.faults("meta", script=["slow"], slow_ms=1500)
    lead(spine)
    async with daemon.running(spine.settings, spine.database_url) as running:
        task = asyncio.create_task(running.run())
        await until(lambda: spine.arrivals("meta"))
        account(spine)
        await until(lambda: spine.count("merge WHERE due_at > now() + interval '2 s'"))
        spine.clock.move(seconds=11)
        await until(lambda: len(sent(spine, "lead")) == 2)
        running.stop()
        await task


async def test_merges_wait_while_intake_is_behind(spine, monkeypatch):
    monkeypatch.setattr(worker, "BATCH", 1)
    account(spine, name="signed_in")
    async with daemon.running(spine.settings, spine.database_url) as running:
        assert await running.intake.step() == 1
        await running.intake.finish()
        assert running.intake.is_behind
        assert not await running._process_merges()
        assert spine.count("merge") == 1
        assert await running.intake.step() == 0
        assert await running._process_merges()
        assert spine.count("merge") == 0


async def test_merges_wait_while_an_active_destination_is_behind(spine, monkeypatch):
    monkeypatch.setattr(routing, "FRESH_SECONDS", 0)
    for number in range(1001):
        lead(spine, event_id=f"e{number}")
    account(spine, name="signed_in")
    async with daemon.running(spine.settings, spine.database_url) as running:
        while await running.intake.step():
            await running.intake.finish()
        (meta,) = (sender for sender in running.senders if sender.destination.name == "meta")
        assert await meta.step()
        assert meta.is_behind
        assert not await running._process_merges()
        spine.connection.execute("UPDATE outbox.destination SET paused = true WHERE name = 'meta'")
        assert not await meta.step()
        assert await running._process_merges()
        await meta.finish()


async def test_merges_wait_only_for_a_limited_time(spine, monkeypatch):
    monkeypatch.setattr(worker, "BATCH", 1)
    monkeypatch.setattr(daemon, "MERGES_WAIT_SECONDS", 0)
    account(spine, name="signed_in")
    async with daemon.running(spine.settings, spine.database_url) as running:
        assert await running.intake.step() == 1
        await running.intake.finish()
        assert running.intake.is_behind
        assert await running._process_merges()
        assert spine.count("merge") == 0

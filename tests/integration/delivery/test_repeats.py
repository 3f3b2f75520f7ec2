"""A repeat is the same send: what the first send that may have been taken fixed stays, or the repeat is not made."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from dispatcher import daemon
from dispatcher.delivery.queue import BEGINNING

OTHER_PIXEL = "1530042020969437"


def only(spine, destination):
    spine.connection.execute("UPDATE outbox.destination SET enabled = (name = %s)", (destination,))


def lose_one_answer(spine, destination):
    spine.faults(destination, script=["reset_after_accept"])


def sent(spine, destination, event_id="e"):
    return [
        json.loads(bytes(arrival.payload)) for arrival in spine.arrivals(destination) if arrival.event_id == event_id
    ]


def envelopes(spine, event_id="e"):
    return [json.loads(bytes(arrival.envelope)) for arrival in spine.arrivals("ga4") if arrival.event_id == event_id]


async def retry(spine):
    spine.clock.move(hours=1)
    assert await spine.drain() == 0


@pytest.mark.parametrize(("destination", "field"), [("meta", "event_name"), ("ga4", "name")])
async def test_a_retry_goes_out_under_the_name_of_the_first_send(spine, destination, field):
    only(spine, destination)
    lose_one_answer(spine, destination)
    spine.record(name="lead_submitted", event_id="e", lead_id="1")
    assert await spine.drain() == 1
    spine.connection.execute("UPDATE outbox.route SET event_name = 'renamed' WHERE step = 'lead_submitted'")
    spine.record(name="lead_submitted", event_id="new", lead_id="2")
    await retry(spine)
    first, again = sent(spine, destination)
    assert first[field] == again[field] != "renamed"
    assert [each[field] for each in sent(spine, destination, "new")] == ["renamed"]


async def test_if_the_pixel_changed_a_retry_fails_and_first_sends_go_to_the_new_one(spine):
    only(spine, "meta")
    lose_one_answer(spine, "meta")
    spine.record(name="lead_submitted", event_id="e", lead_id="1")
    assert await spine.drain() == 1
    spine.settings = spine.settings.changed("meta", pixel_id=OTHER_PIXEL)
    spine.record(name="lead_submitted", event_id="new", lead_id="2")
    await retry(spine)
    assert len(sent(spine, "meta")) == 1
    assert spine.receipts()["e", "meta"] == ("failed", "cannot be repeated")
    rows = spine.connection.execute("SELECT dataset FROM outbox.receipt WHERE outcome = 'delivered'").fetchall()
    assert rows == [(OTHER_PIXEL,)]


@pytest.mark.parametrize("change", ["name", "pixel"])
async def test_a_resend_is_the_same_send_too(spine, change):
    only(spine, "meta")
    spine.record(name="lead_submitted", event_id="e", lead_id="1", handl_id="H")
    assert await spine.drain() == 0
    if change == "name":
        spine.connection.execute("UPDATE outbox.route SET event_name = 'renamed' WHERE step = 'lead_submitted'")
    else:
        spine.settings = spine.settings.changed("meta", pixel_id=OTHER_PIXEL)
    spine.record(name="account_created", event_id="a", account_id="A", handl_id="H", person={"email": "a@example.com"})
    assert await spine.drain() == 0
    names = [each["event_name"] for each in sent(spine, "meta")]
    assert names == (["Lead", "Lead"] if change == "name" else ["Lead"])


async def test_a_late_sign_in_does_not_move_a_retry_at_ga4(spine):
    only(spine, "ga4")
    lose_one_answer(spine, "ga4")
    spine.record(name="lead_submitted", event_id="e", lead_id="1", handl_id="H")
    assert await spine.drain() == 1
    spine.record(name="signed_in", event_id="s", account_id="A", handl_id="H", lead_id="1")
    await retry(spine)
    first, again = envelopes(spine)
    assert (first["client_id"], first["user_id"]) == (again["client_id"], again["user_id"])


async def test_a_derived_client_id_stays_as_sent(spine):
    only(spine, "ga4")
    lose_one_answer(spine, "ga4")
    spine.record(name="account_created", event_id="e", account_id="A", handl_id="H")
    assert await spine.drain() == 1
    early = {"name": "trial_started", "event_id": "early", "account_id": "A", "handl_id": "H0"}
    spine.record(**early, occurred_at="2020-01-01T00:00:00Z", visitor={"ga_client_id": "123.456"})
    spine.record(name="trial_started", event_id="late", account_id="A", visitor={"ga_client_id": "123.456"})
    await retry(spine)
    first, again = envelopes(spine)
    assert first["client_id"] == again["client_id"] != "123.456"


async def test_another_owner_s_traits_do_not_go_into_a_repeat(spine):
    only(spine, "meta")
    lose_one_answer(spine, "meta")
    spine.record(name="lead_submitted", event_id="e", lead_id="1", handl_id="H")
    assert await spine.drain() == 1
    spine.record(name="account_created", event_id="a", account_id="A", handl_id="H", person={"email": "a@example.com"})
    spine.connection.execute("UPDATE outbox.delivery SET due_at = outbox.clock() WHERE first_unknown_at IS NOT NULL")
    await spine.drain()
    first, again, *_ = sent(spine, "meta")
    assert first["user_data"]["external_id"] == again["user_data"]["external_id"]
    assert "em" not in again["user_data"]


async def test_the_time_of_an_event_ahead_of_now_stays_as_sent(spine):
    only(spine, "meta")
    spine.connection.execute(
        """
        INSERT INTO outbox.event (name, event_id, lead_id, handl_id, occurred_at)
        VALUES ('lead_submitted', 'e', '1', 'H', outbox.clock() + interval '50 s')
        """
    )
    assert await spine.drain() == 0
    spine.clock.move(minutes=5)
    spine.record(name="account_created", event_id="a", account_id="A", handl_id="H", person={"email": "a@example.com"})
    assert await spine.drain() == 0
    first, again = sent(spine, "meta")
    assert first["event_time"] == again["event_time"]


async def test_what_a_dead_process_may_have_sent_is_repeated_as_that(spine):
    """What it would send is noted before the first request, so it survives the process."""
    only(spine, "ga4")
    spine.faults("ga4", rates={"hang_after_accept": 1.0}, hang_seconds=60)
    spine.record(name="lead_submitted", event_id="e", lead_id="1", handl_id="H")
    async with daemon.running(spine.settings, spine.database_url) as running:
        while await running.intake.step():
            await running.intake.finish()
        (ga4,) = [sender for sender in running.senders if sender.destination.name == "ga4"]
        lease = await ga4._queue.claim(10)
        payloads = await ga4._build(lease, None)
        assert await ga4._queue.note(lease, payloads)
        assert not await ga4._queue.note(type(lease)(lease.id + 1, lease.claimed_at, []), [])
    spine.faults("ga4")
    spine.connection.execute("UPDATE outbox.route SET event_name = 'renamed' WHERE step = 'lead_submitted'")
    spine.record(name="signed_in", event_id="s", account_id="A", handl_id="H", lead_id="1")
    await retry(spine)
    (envelope,), (event,) = envelopes(spine), sent(spine, "ga4")
    assert (envelope["user_id"], event["name"]) == ("lead:1", "generate_lead")
    assert spine.attempts("ga4") == [("uncertain", "lease expired")]


async def test_a_requeue_goes_out_as_what_may_have_been_taken(spine, database):
    only(spine, "ga4")
    lose_one_answer(spine, "ga4")
    spine.record(name="lead_submitted", event_id="e", lead_id="1", handl_id="H")
    assert await spine.drain() == 1
    lost = {"destination": 2, "holder": "x", "limit": 1, "newest": 0, "losses": 0, "since": BEGINNING}
    spine.clock.move(minutes=1)
    (lease,) = await database.run("claim_deliveries", lost | {"lease": timedelta(minutes=1)})
    await database.run("give_up_lease", {"lease": lease.id, "holder": "x"})
    spine.connection.execute("UPDATE outbox.route SET event_name = 'renamed' WHERE step = 'lead_submitted'")
    rows = await database.run("requeue_dead_letter", {"event": 1, "destination": "ga4"})
    assert rows[0].count == 1
    assert await spine.drain() == 0
    assert [each["name"] for each in sent(spine, "ga4")] == ["generate_lead"] * 2


async def test_a_requeue_whose_route_is_gone_says_so(spine, database):
    only(spine, "ga4")
    spine.record(name="subscription_purchased", event_id="e", account_id="1", details={"value": "nothing"})
    assert await spine.drain() == 0
    assert spine.receipts()["e", "ga4"] == ("failed", "missing value")
    spine.connection.execute("DELETE FROM outbox.route WHERE step = 'subscription_purchased'")
    await database.run("requeue_dead_letter", {"event": 1, "destination": "ga4"})
    assert await spine.drain() == 0
    rows = spine.connection.execute(
        "SELECT outcome, reason FROM outbox.receipt WHERE revision = 1 AND destination = 2"
    ).fetchall()
    assert rows == [("skipped", "no route")]
    assert spine.arrivals("ga4") == []


async def test_a_notice_with_a_user_id_alone_is_not_sent(spine):
    only(spine, "ga4")
    spine.record(name="lead_submitted", event_id="e", lead_id="1", handl_id="H")
    await spine.drain()
    spine.record(name="signed_in", event_id="s", account_id="A", handl_id="H")
    assert await spine.drain() == 0
    assert {arrival.kind for arrival in spine.arrivals("ga4")} == {"event"}
    rows = spine.connection.execute("SELECT outcome, reason FROM outbox.receipt WHERE revision = 1").fetchall()
    assert rows == [("skipped", "no route")]


async def test_a_resend_that_is_too_late_is_no_dead_letter(spine):
    only(spine, "meta")
    spine.record(name="lead_submitted", event_id="e", lead_id="1", handl_id="H")
    await spine.drain()
    spine.clock.move(hours=46.9)
    spine.faults("meta", rates={"http_500": 1.0})
    spine.record(name="account_created", event_id="a", account_id="A", handl_id="H", person={"email": "a@example.com"})
    await spine.drain()
    spine.clock.move(hours=2)
    spine.faults("meta")
    await spine.drain()
    rows = spine.connection.execute("SELECT outcome, reason FROM outbox.receipt WHERE revision = 1").fetchall()
    assert rows == [("skipped", "too late to send again")]
    assert spine.count("receipt WHERE outcome = 'failed'") == 0


async def test_a_destination_that_was_renamed_finds_what_was_sent(spine, database):
    """Sent belongs to kind and dataset, not to a destination's name."""
    only(spine, "meta")
    spine.record(name="lead_submitted", event_id="e", lead_id="1", handl_id="H")
    assert await spine.drain() == 0
    spine.connection.execute("INSERT INTO outbox.destination (id, name, kind) VALUES (3, 'renamed', 'meta')")
    given = {"destination": 3, "dataset": spine.settings.of("meta").pixel_id, "ids": [1]}
    (found,) = await database.run("find_resend_candidates", given)
    assert (found.delivered, found.sent_as["event_name"]) == (True, "Lead")
    (found,) = await database.run("find_resend_candidates", given | {"dataset": OTHER_PIXEL})
    assert not found.delivered

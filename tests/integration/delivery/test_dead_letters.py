"""`outbox dead list` and `outbox dead requeue`: by reason, destination, step; what was recorded stays."""

from __future__ import annotations

import asyncio
import json

import pytest

from dispatcher.delivery import dead_letters
from dispatcher.delivery.dead_letters import DeadLetterFilter


@pytest.fixture
async def dead(spine):
    """Two purchases without value (failed at both), a lead and a verified e-mail without a person (failed at Meta)."""
    spine.record(name="subscription_purchased", event_id="p1", lead_id="1")
    spine.record(name="subscription_purchased", event_id="p2", lead_id="1")
    spine.record(name="lead_submitted", event_id="l")
    spine.record(name="email_verified", event_id="v")
    await spine.drain()
    assert [reason for _, reason in spine.receipts().values()].count("insufficient identity") == 2


def pending(spine):
    return sorted(spine.connection.execute("SELECT event_id, destination, revision FROM outbox.delivery").fetchall())


@pytest.mark.usefixtures("dead")
async def test_dead_letters_are_listed_in_groups_with_what_to_do(outbox):
    code, listed, _ = await outbox("dead", "list")
    assert code == 0
    assert "Record value and currency with this step" in listed
    code, listed, _ = await outbox("dead", "list", "--json")
    groups = {(group["destination"], group["step"], group["reason"]): group["count"] for group in json.loads(listed)}
    assert groups == {
        ("meta", "subscription_purchased", "missing value"): 2,
        ("ga4", "subscription_purchased", "missing value"): 2,
        ("meta", "lead_submitted", "insufficient identity"): 1,
        ("meta", "email_verified", "insufficient identity"): 1,
    }
    _, listed, _ = await outbox("dead", "list", "--json", "--destination", "ga4", "--reason", "missing value")
    assert [group["count"] for group in json.loads(listed)] == [2]


@pytest.mark.usefixtures("dead")
async def test_requeue_makes_them_pending_again_and_keeps_their_history(spine, outbox):
    assert (await outbox("dead", "requeue"))[0] == 2
    assert pending(spine) == []
    _, said, _ = await outbox("dead", "requeue", "--reason", "missing value", "--destination", "meta")
    assert said == "2 requeued\n"
    assert pending(spine) == [(1, 1, 1), (2, 1, 1)]
    _, said, _ = await outbox("dead", "requeue", "--reason", "missing value", "--destination", "meta")
    assert said == "0 requeued\n"
    # The funnel gets a default, and the next try is accepted.
    spine.connection.execute(
        "UPDATE outbox.step SET value = 10, currency = 'EUR' WHERE name = 'subscription_purchased'"
    )
    assert await spine.drain() == 0
    rows = spine.connection.execute(
        "SELECT revision, outcome, reason FROM outbox.receipt WHERE event_id = 1 AND destination = 1 ORDER BY revision"
    ).fetchall()
    assert rows == [(0, "failed", "missing value"), (1, "delivered", None)]
    _, listed, _ = await outbox("dead", "list", "--json", "--step", "subscription_purchased")
    assert [(group["destination"], group["count"]) for group in json.loads(listed)] == [("ga4", 2)]


@pytest.mark.usefixtures("dead")
async def test_concurrent_requeues_create_nothing_twice(spine, outbox):
    said = await asyncio.gather(*(outbox("dead", "requeue", "--all") for _ in range(3)))
    assert sum(int(text.split()[0]) for _, text, _ in said) == 6
    assert len(pending(spine)) == len(set(pending(spine))) == 6


@pytest.mark.usefixtures("dead")
@pytest.mark.parametrize("batch", [1, 2, 5])
async def test_a_requeue_continues_where_its_last_batch_ended(spine, database, monkeypatch, batch):
    monkeypatch.setattr(dead_letters, "REQUEUE_BATCH", batch)
    progress = []
    assert await dead_letters.requeue(database, DeadLetterFilter(), progress.append) == 6
    assert progress == [*range(batch, 6, batch), 6]
    assert len(set(pending(spine))) == 6
    assert await dead_letters.requeue(database, DeadLetterFilter(), progress.append) == 0

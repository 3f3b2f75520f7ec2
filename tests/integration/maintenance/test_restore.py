"""Restore from a backup: the statements that the runbook runs on the restored database."""

from __future__ import annotations

import re

import pytest

from tests.support.documents import blocks
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "operations" / "runbook.md"


@pytest.fixture
def give_attempts(spine):
    """Run the SQL of the runbook with a given time of the backup."""

    def give(made_at):
        (block,) = (block for block in blocks(PAGE) if block.language == "sql")
        spine.connection.execute(re.sub("timestamptz '[^']*'", f"timestamptz '{made_at.isoformat()}'", block.text))

    return give


def switch(spine, *, paused):
    spine.connection.execute("UPDATE outbox.destination SET paused = %s", (paused,))


@pytest.fixture
async def restored(spine, give_attempts):
    """A database restored 23 hours after its backup: one event was pending then, one waited for intake."""
    switch(spine, paused=True)
    spine.record(
        name="lead_submitted", event_id="pending", handl_id="h1", lead_id="1", person={"email": "ada@example.com"}
    )
    assert await spine.drain() == 2
    spine.record(name="lead_submitted", event_id="new", handl_id="h2", lead_id="2", person={"email": "bob@example.com"})
    (made_at,) = spine.connection.execute("SELECT outbox.clock()").fetchone()
    spine.clock.move(hours=23)
    assert await spine.drain() == 4
    give_attempts(made_at)
    switch(spine, paused=False)
    return made_at


async def test_every_pending_delivery_has_an_unknown_outcome_since_the_backup(spine, restored):
    assert spine.attempts("meta") == spine.attempts("ga4") == [("uncertain", "restored from a backup")] * 2
    pending = spine.connection.execute("SELECT DISTINCT first_unknown_at, tries FROM outbox.delivery").fetchall()
    assert pending == [(restored, 1)]


@pytest.mark.usefixtures("restored")
async def test_it_is_sent_once_more_and_retried_after_a_failure(spine):
    spine.faults("meta", script=["http_500"])
    await spine.drain_until_nothing_is_pending(minutes=5)
    assert {outcome for outcome, _ in spine.receipts().values()} == {"delivered"}


@pytest.mark.usefixtures("restored")
async def test_a_merge_re_sends_only_what_meta_still_recognises(spine):
    assert await spine.drain() == 0
    spine.clock.move(hours=20)  # 43 h after the backup
    spine.record(name="account_created", event_id="account 1", handl_id="h1", account_id="a1")
    assert await spine.drain() == 0
    spine.clock.move(hours=17)  # 60 h after the backup, 37 h after it was sent from here
    spine.record(name="account_created", event_id="account 2", handl_id="h2", account_id="a2")
    assert await spine.drain() == 0
    sent = [arrival.event_id for arrival in spine.arrivals("meta") if arrival.event_name == "Lead"]
    assert (sent.count("pending"), sent.count("new")) == (2, 1)


@pytest.mark.usefixtures("restored")
async def test_an_event_that_meta_would_count_again_is_not_sent(spine):
    spine.clock.move(hours=47 - 23, minutes=1)
    await spine.drain()
    assert not [arrival for arrival in spine.arrivals("meta") if arrival.event_name == "Lead"]
    assert spine.receipts()["pending", "meta"] == ("failed", "window closed")

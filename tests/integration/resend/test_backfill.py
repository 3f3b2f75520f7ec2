"""`outbox backfill` makes the same re-sends as the daemon, on demand; it is idempotent and safe to run in parallel."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def outbox(spine):
    async def run(*arguments):
        done = await asyncio.to_thread(
            subprocess.run,
            [Path(sys.executable).with_name("outbox"), *arguments],
            env={
                "PATH": os.environ["PATH"],
                "OUTBOX_DATABASE_URL": spine.database_url,
                "META_CAPI_TOKEN": "test-token",
                "GA4_API_SECRET": "test-secret",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
async def missed(spine):
    """Two leads that were delivered before their merges, which no dispatcher has processed."""
    for number in (1, 2):
        spine.record(name="lead_submitted", event_id=f"lead{number}", handl_id=f"H{number}", lead_id=f"L{number}")
    await spine.drain()
    for number in (1, 2):
        spine.record(
            name="signed_in",
            event_id=f"in{number}",
            handl_id=f"H{number}",
            account_id=f"A{number}",
            person={"email": f"a{number}@b.co"},
        )
    spine.connection.execute(
        "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER skip BEFORE INSERT ON outbox.merge FOR EACH ROW EXECUTE FUNCTION skip()"
    )
    assert await spine.drain() == 0
    assert len(spine.arrivals("meta")) == 2


@pytest.mark.usefixtures("missed")
async def test_it_sends_again_what_gained_an_identifier_and_is_idempotent(spine, outbox):
    assert json.loads(await outbox("backfill", "--json")) == {"enqueued": 4, "merge notice": 2, "resend": 2}
    assert json.loads(await outbox("backfill", "--json")) == {"still pending": 2}
    assert await spine.drain() == 0
    assert sorted((arrival.event_id, arrival.verdict) for arrival in spine.arrivals("meta")) == [
        ("lead1", "counted"), ("lead1", "duplicate"), ("lead2", "counted"), ("lead2", "duplicate"),
    ]  # fmt: skip
    assert [arrival.kind for arrival in spine.arrivals("ga4")].count("enrichment") == 2
    assert json.loads(await outbox("backfill", "--json")) == {"nothing gained": 2}


@pytest.mark.usefixtures("missed")
async def test_a_dry_run_lists_the_re_sends_and_changes_nothing(spine, outbox):
    listed = await outbox("backfill", "--dry-run")
    assert "lead_submitted lead1: would add em, external_id" in listed
    assert "2  resend" in listed
    assert spine.count("delivery") == spine.count("revision") == 0


@pytest.mark.usefixtures("missed")
async def test_it_can_be_limited_to_an_account_or_a_time(spine, outbox):
    assert json.loads(await outbox("backfill", "--json", "--since", "2036-01-01T00:00:00")) == {}
    printed = json.loads(await outbox("backfill", "--json", "--account", "A2"))
    assert printed == {"enqueued": 2, "merge notice": 1, "resend": 1}
    pending = spine.connection.execute(
        "SELECT event.event_id FROM outbox.delivery JOIN outbox.event ON event.id = delivery.event_id ORDER BY 1"
    ).fetchall()
    assert pending == [("in2",), ("lead2",)]


@pytest.mark.usefixtures("missed")
async def test_three_at_once_enqueue_nothing_twice(spine, outbox):
    printed = await asyncio.gather(*(outbox("backfill", "--json") for _ in range(3)))
    assert sum(json.loads(one).get("enqueued", 0) for one in printed) == spine.count("delivery") == 4


@pytest.mark.usefixtures("missed")
async def test_a_re_send_that_would_count_twice_is_reported_and_not_made(spine, outbox):
    spine.clock.move(days=3)
    assert json.loads(await outbox("backfill", "--json")) == {"window closed: it would count twice": 2}
    assert await spine.drain() == 0
    assert len(spine.arrivals("meta")) == 2

"""Retention removes old data in small batches; a person who comes back in time is still known."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import psycopg
import pytest
from apscheduler.triggers.interval import IntervalTrigger

from dispatcher.database.connections import Database
from dispatcher.maintenance import retention
from dispatcher.maintenance.rebuild import rebuild
from dispatcher.people.erasure import erase
from dispatcher.people.lookup import By, Selector
from dispatcher.scheduler import jobs, leader
from tests.support.waiting import until

LOG = ("event", "receipt", "attempt", "revision")
PERSONS = ("fragment", "fragment_key", "fragment_event")
ADA = {"email": "ada@example.com", "phone": "+44 20 7946 0958", "country": "GB"}
BROWSER = {
    "user_agent": "Mozilla/5.0 (X11)",
    "ip": "203.0.113.7",
    "url": "https://crm.example/",
    "fbp": "fb.1.1700000000000.1234567890",
}
PROJECTIONS = (
    "SELECT id, is_public, account_id, handl_id, lead_id, emails, phones, groups, known FROM outbox.fragment ORDER BY id",
    "SELECT fragment_id, at, event_id FROM outbox.fragment_event ORDER BY 1, 2, 3",
    "SELECT kind, key, is_public, fragment_id FROM outbox.fragment_key ORDER BY 1, 2, 3, 4",
    "SELECT fragment_id, grade, digest, at, event_id FROM outbox.click ORDER BY 1, 2, 3",
    "SELECT digest, is_over_limit, refusals FROM outbox.key_mark ORDER BY digest",
    "SELECT event_id, destination FROM outbox.delivery ORDER BY 1, 2",
)


def sha(text):
    return sha256(text.encode()).hexdigest()


def counts(spine, tables):
    return {table: spine.count(table) for table in tables}


def nothing(tables):
    return dict.fromkeys(tables, 0)


@pytest.fixture
def sweep(spine, database):
    """Sweep once, with the given retention times."""

    async def sweep(**days):
        return await retention.sweep(database, replace(spine.settings, **days), rest=0)

    return sweep


@pytest.fixture
def record(spine):
    """Record an event at the time of the moved clock."""

    def record(event_id, name="lead_submitted", **fields):
        at = datetime.fromtimestamp(spine.clock.now(), UTC).isoformat()
        return spine.record(name=name, event_id=event_id, **{"occurred_at": at, **fields})

    return record


def user_data(spine, event_id):
    (sent,) = [arrival for arrival in spine.arrivals("meta") if arrival.event_id == event_id]
    return json.loads(bytes(sent.payload))["user_data"]


async def test_finished_events_are_removed_after_the_retention_time_and_not_before(spine, sweep, record):
    spine.faults("meta", script=["http_500"])
    record("keyless", visitor=BROWSER)
    record("known", handl_id="H1", person=ADA, visitor=BROWSER)
    await spine.drain()
    spine.clock.move(seconds=10)
    record("in", name="signed_in", account_id="A1", handl_id="H1")
    assert await spine.drain() == 0
    before = counts(spine, (*LOG, *PERSONS))
    assert all(before.values())
    spine.clock.move(days=89, hours=23)
    assert await sweep() == retention.Removed()
    assert counts(spine, (*LOG, *PERSONS)) == before
    spine.clock.move(hours=2)
    await sweep()
    # The two that are the last with a field stay as long as their person may come back.
    assert counts(spine, LOG) == {"event": 2, "receipt": 0, "attempt": 0, "revision": 0}
    assert counts(spine, PERSONS) == {table: before[table] for table in PERSONS}
    assert await sweep() == retention.Removed()


async def test_a_yearly_renewal_finds_its_email_and_browser(spine, sweep, record):
    spine.settings = spine.settings.changed("meta", api_version="v99.0")  # today's version will have ended by then
    record("lead", handl_id="H1", lead_id="L1", person=ADA, visitor=BROWSER)
    await spine.drain()
    spine.clock.move(hours=1)
    record("account", name="account_created", account_id="A1", handl_id="H1")
    await spine.drain()
    for year in range(3):
        for _ in range(10):
            spine.clock.move(days=36)
            await sweep()
        record(f"renewal{year}", name="subscription_renewed", account_id="A1", details={"value": 9, "currency": "EUR"})
        await spine.drain()
        sent = user_data(spine, f"renewal{year}")
        assert sent["em"] == [sha("ada@example.com")]
        assert sent["fbp"] == BROWSER["fbp"]
        assert sent["client_user_agent"] == BROWSER["user_agent"]
        assert sent["external_id"] == [sha("a1"), sha("h1"), sha("lead:l1")]
    assert spine.count("receipt") == 2


async def test_everything_of_a_silent_person_is_removed(spine, sweep, record):
    record("lead", handl_id="H1", lead_id="L1", person=ADA, visitor=BROWSER)
    await spine.drain()
    record("in", name="signed_in", account_id="A1", handl_id="H1", person=ADA)
    await spine.drain()
    spine.clock.move(days=399)
    await sweep()
    assert spine.count("fragment") == 3
    spine.clock.move(days=2)
    record("other", handl_id="H2", lead_id="L2")
    await spine.drain()
    swept = await sweep()
    assert (swept.fragments, swept.events) == (3, 2)
    assert spine.connection.execute("SELECT event_id FROM outbox.event").fetchall() == [("other",)]
    assert spine.connection.execute("SELECT handl_id FROM outbox.fragment").fetchall() == [("H2",)]
    assert counts(spine, ("fragment_key", "fragment_event", "raw", "merge")) == {
        "fragment_key": 2,
        "fragment_event": 1,
        "raw": 0,
        "merge": 0,
    }


async def test_a_person_is_silent_only_if_all_their_fragments_are(spine, sweep, record):
    record("lead", handl_id="H1", lead_id="L1", person=ADA)
    record("call", name="demo_requested", lead_id="L1")
    record("in", name="signed_in", account_id="A1", handl_id="H1")
    await spine.drain()
    spine.clock.move(days=300)
    record("visit", handl_id="H1", visitor=BROWSER)  # without signing in, on their own browser
    await spine.drain()
    spine.clock.move(days=300)
    assert (await sweep()).fragments == 0
    spine.clock.move(days=101)
    assert (await sweep()).fragments == 5
    assert counts(spine, (*LOG, *PERSONS)) == nothing((*LOG, *PERSONS))


async def test_a_lead_over_the_limit_keeps_no_person(spine, sweep, record):
    for number in range(40):
        record(f"c{number}", handl_id=f"H{number}", lead_id="test")
    await spine.drain()
    spine.clock.move(days=401)
    record("today", handl_id="H0", lead_id="test")
    await spine.drain()
    await sweep()
    assert spine.connection.execute("SELECT handl_id FROM outbox.fragment").fetchall() == [("H0",)]


async def test_pending_events_stay_complete(spine, sweep, record):
    record("delivered", visitor=BROWSER, details={"value": 1})
    await spine.drain()
    spine.connection.execute("UPDATE outbox.destination SET paused = true WHERE name = 'ga4'")
    record("pending", visitor=BROWSER)
    await spine.drain()
    record("waiting", visitor=BROWSER)
    spine.clock.move(days=100)
    assert (await sweep()).events == 1
    rows = spine.connection.execute("SELECT event_id FROM outbox.event ORDER BY id").fetchall()
    assert rows == [("pending",), ("waiting",)]
    assert spine.receipts() == {("pending", "meta"): ("delivered", None)}
    await spine.drain()
    assert spine.receipts()["pending", "ga4"] == spine.receipts()["waiting", "ga4"] == ("failed", "window closed")
    assert (await sweep()).events == 0  # its last receipt is new
    spine.clock.move(days=91)
    assert (await sweep()).events == 2
    assert counts(spine, LOG) == nothing(LOG)


async def test_the_age_of_an_event_recorded_ahead_counts_from_when_it_happened(spine, sweep, record):
    tomorrow = datetime.fromtimestamp(spine.clock.now(), UTC) + timedelta(days=6)
    record("ahead", visitor=BROWSER, occurred_at=tomorrow.isoformat())
    spine.clock.move(days=7)
    await spine.drain()
    spine.clock.move(days=6)
    assert await sweep(retention_days=8) == retention.Removed()
    spine.clock.move(days=3)
    assert (await sweep(retention_days=8)).events == 1


@pytest.mark.parametrize("seed", range(4))
async def test_a_rebuild_after_retention_gives_the_same_and_enqueues_nothing(spine, sweep, record, database, seed):
    rng = random.Random(seed)
    for part in range(8):
        for number in range(10):
            record(
                f"{part}-{number}", name=rng.choice(["lead_submitted", "signed_in"]),
                account_id=rng.choice([None, None, "A1", "A2", "A3"]), handl_id=rng.choice([None, "H1", "H2", "H3"]),
                lead_id=rng.choice([None, None, "L1", "L2", f"L{part}"]),
                **rng.choice([{}, {"person": {"email": f"{rng.randrange(4)}@b.co"}}, {"visitor": BROWSER}]),
            )  # fmt: skip
        assert await spine.drain() == 0
        spine.clock.move(days=rng.choice([10, 40, 90]))
    swept = await sweep(retention_days=30, person_days=120)
    assert swept.events
    before = [spine.connection.execute(query).fetchall() for query in PROJECTIONS]
    sent = len(spine.sandbox.ledger.arrivals)
    await rebuild(database)
    assert [spine.connection.execute(query).fetchall() for query in PROJECTIONS] == before
    assert await spine.drain() == 0
    assert len(spine.sandbox.ledger.arrivals) == sent


async def test_it_works_in_batches_and_a_writer_never_waits(spine, sweep, database_url):
    count = 3 * retention.BATCH + 7
    spine.connection.execute("UPDATE outbox.destination SET enabled = false")
    spine.connection.execute(
        "INSERT INTO outbox.event (name, handl_id) SELECT 'lead_submitted', 'h' || n FROM generate_series(1, %s) AS n",
        (count,),
    )
    await spine.drain()
    spine.clock.move(days=401)
    with psycopg.connect(database_url) as other:
        # An open writer and a dump of everything: neither waits for the sweep, nor the sweep for them.
        other.execute("SELECT count(*) FROM outbox.event, outbox.lease")
        other.execute("INSERT INTO outbox.event (name, event_id) VALUES ('lead_submitted', 'open')")
        swept = await asyncio.wait_for(sweep(), 60)
    assert (swept.fragments, swept.events) == (count, count)
    assert spine.connection.execute("SELECT event_id FROM outbox.event").fetchall() == [("open",)]


async def test_a_sweep_that_cannot_get_the_lock_gives_up(spine, sweep, record, database_url, monkeypatch):
    monkeypatch.setattr(retention, "TIMEOUT", 1)
    record("old", visitor=BROWSER)
    await spine.drain()
    spine.clock.move(days=91)
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE outbox.lease IN EXCLUSIVE MODE")
        with pytest.raises(psycopg.errors.QueryCanceled):
            await sweep()
    assert (await sweep()).events == 1


def often(_config):
    return IntervalTrigger(seconds=0.05, timezone=UTC)


async def test_retention_is_a_scheduled_job(spine, database, monkeypatch, capsys):
    assert "retention" in {job.name for job in jobs.JOBS}
    ran = []

    async def count(work):
        ran.append(work.settings)
        if len(ran) == 2:
            raise psycopg.errors.UniqueViolation("Key (handl_id)=(secret)")

    monkeypatch.setattr(leader, "JOBS", (jobs.Job("often", often, count),))
    one, other = (
        leader.LeaderElection(database, spine.settings, holder=name, term=timedelta(seconds=60))
        for name in ("one", "other")
    )
    await one.step()
    await other.step()
    await until(lambda: len(ran) > 2)
    assert ran[0] is spine.settings
    assert other._scheduler is None
    await other.close()
    spine.clock.move(seconds=61)  # its term is over, and the other one steps first
    await other.step()
    await one.step()
    assert one._scheduler is None
    await one.close()
    assert spine.connection.execute("SELECT holder FROM outbox.leader").fetchall() == [("other",)]
    await other.close()
    assert spine.count("leader") == 0
    printed = capsys.readouterr()
    assert "a job failed" in printed.out + printed.err
    assert "secret" not in printed.out + printed.err


async def test_a_schedule_that_stops_cancels_a_running_job(spine, database, monkeypatch):
    began, cut_off = asyncio.Event(), asyncio.Event()

    async def work(*_):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut_off.set()

    monkeypatch.setattr(leader, "JOBS", (jobs.Job("long", often, work),))
    one = leader.LeaderElection(database, spine.settings, holder="one", term=timedelta(seconds=60))
    await one.step()
    await asyncio.wait_for(began.wait(), 20)
    await one.close()
    await asyncio.wait_for(cut_off.wait(), 20)
    await one.close()
    assert spine.count("leader") == 0


async def test_the_dispatchers_database_role_is_enough_for_maintenance(spine, record):
    record("e", handl_id="H1", person=ADA)
    record("in", name="signed_in", handl_id="H1", account_id="A1")
    await spine.drain()
    spine.connection.execute("CREATE ROLE keeper LOGIN PASSWORD 'keeper' IN ROLE outbox_dispatcher")
    password = spine.database_url.split(":")[2].split("@")[0]
    address = spine.database_url.replace("outbox:", "keeper:", 1).replace(password, "keeper")
    try:
        async with Database.connect(address, connections=2) as database:
            assert (await rebuild(database)).events == 2
            spine.clock.move(days=91)
            assert (await retention.sweep(database, spine.settings, rest=0)).receipts == 2
            assert await erase(database, Selector(By.EMAIL, "ada@example.com")) == 2
            mine = leader.LeaderElection(database, spine.settings, holder="one", term=timedelta(seconds=60))
            await mine.step()
            await mine.close()
    finally:
        spine.connection.execute("DROP ROLE keeper")

"""`outbox rebuild` gives the same tables, also beside running dispatchers, and sends nothing again that has ended."""

from __future__ import annotations

import asyncio
import json
import random
import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.types.json import Jsonb

from dispatcher.config.kinds import kinds
from dispatcher.config.settings import Settings
from dispatcher.database.connections import Database
from dispatcher.database.data_files import data_folder
from dispatcher.database.queries import load
from dispatcher.delivery.dead_letters import DeadLetterFilter, requeue
from dispatcher.delivery.queue import PostgresQueue
from dispatcher.identity.fragments import Fact
from dispatcher.maintenance.rebuild import BATCH, OPEN, rebuild
from tests.support import processes
from tests.support.clock import RECLAIM
from tests.support.waiting import until

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
CLAIM = {"holder": "one", "lease": timedelta(seconds=60), "limit": 10, "newest": 0, "losses": 0}
PROJECTIONS = {
    "fragment": """
        SELECT id, is_public, account_id, handl_id, lead_id, emails, phones, groups, known FROM outbox.fragment ORDER BY id
    """,
    "fragment_event": "SELECT fragment_id, at, event_id FROM outbox.fragment_event ORDER BY 1, 2, 3",
    "fragment_key": "SELECT kind, key, is_public, fragment_id FROM outbox.fragment_key ORDER BY 1, 2, 3, 4",
    "click": "SELECT fragment_id, grade, digest, at, event_id FROM outbox.click ORDER BY 1, 2, 3",
    "key_mark": "SELECT digest, is_over_limit, refusals FROM outbox.key_mark ORDER BY digest",
    "delivery": """
        SELECT event_id, destination, revision, tries, first_unknown_at FROM outbox.delivery ORDER BY 1, 2, 3
    """,
}
LOGS = ("event", "revision", "attempt", "receipt")


def ago(**time):
    return (datetime.now(UTC) - timedelta(**time)).isoformat()


def projections(connection):
    return {name: connection.execute(query).fetchall() for name, query in PROJECTIONS.items()}


def logs(connection):
    return {table: sorted(map(str, connection.execute(f"SELECT * FROM outbox.{table}").fetchall())) for table in LOGS}


def record_many(spine, count):
    spine.connection.execute(
        "INSERT INTO outbox.event (name, event_id, handl_id, lead_id) "
        "SELECT 'lead_submitted', 'e' || n, 'h' || n %% 100, n FROM generate_series(1, %s) AS n",
        (count,),
    )


async def random_log(spine, rng, size):
    """A log in every state: delivered, failed, pending with and without tries, re-sent, requeued."""

    def record(number):
        spine.record(
            name=rng.choice(["lead_submitted", "signed_in", "subscription_purchased", "trial_started"]),
            event_id=f"e{number}", account_id=rng.choice([None, None, "A1", "A2", "A3"]),
            handl_id=rng.choice([None, "H1", "H2", "H3", "H4"]), lead_id=rng.choice([None, None, "L1", "L2", "L3"]),
            occurred_at=ago(minutes=rng.choice([-4000, 0, 10, 500, 1000])),
            **rng.choice(
                [
                    {},
                    {"person": {"email": f"{rng.randrange(9)}@b.co"}},
                    {"visitor": {"fbp": "fb.1.1.2", "fbclid": f"click{rng.randrange(3)}"}},
                ]
            ),
            **rng.choice([{}, {"details": {"value": 1, "currency": "EUR"}}]),
        )  # fmt: skip

    spine.record(name="lead_submitted", event_id="refused", handl_id="H9", consent={"ad_user_data": "denied"})
    for part, fault in enumerate(("ok", "reset_after_accept", "http_500")):
        spine.faults("meta", rates={} if fault == "ok" else {fault: 1.0})
        spine.faults("ga4", rates={"http_503": part / 3})
        for number in range(size):
            record(f"{part}-{number}")
        await spine.drain()
        spine.clock.move(minutes=20)
        await spine.drain()
        async with Database.connect(spine.database_url, connections=1) as database:
            await requeue(database, DeadLetterFilter())


@pytest.mark.parametrize("seed", range(6))
async def test_folding_the_logs_again_gives_what_intake_and_delivery_made(spine, database, seed):
    rng = random.Random(seed)
    await random_log(spine, rng, 15)
    before, log = projections(spine.connection), logs(spine.connection)
    assert all(before.values())
    # Every kind is there: tried or not, revision 0 or later, with an unknown outcome or without.
    assert {(revision > 0, tries > 0, unknown is None) for _, _, revision, tries, unknown in before["delivery"]} >= {
        (False, False, True), (False, True, True), (False, True, False), (True, False, True), (True, True, False),
    }  # fmt: skip
    spine.connection.execute(
        "DELETE FROM outbox.fragment_event; UPDATE outbox.fragment SET groups = '[[1, 1, \"em\"]]'"
    )
    spine.connection.execute("DELETE FROM outbox.delivery WHERE event_id % 2 = 0; DELETE FROM outbox.fragment_key")
    spine.connection.execute("UPDATE outbox.delivery SET tries = 99, first_unknown_at = NULL")
    done = await rebuild(database)
    assert projections(spine.connection) == before
    assert logs(spine.connection) == log
    assert (done.pending, done.taken) == (len(before["delivery"]), 0)
    # A delivery is due at the time of its event, or now if that has passed.
    late = """
        SELECT count(*) FROM outbox.delivery JOIN outbox.event ON id = delivery.event_id
        WHERE due_at > greatest(outbox.clock(), occurred_at) OR due_at < outbox.clock() - interval '1 minute'
    """
    assert spine.connection.execute(late).fetchone() == (0,)


async def test_a_leased_delivery_becomes_an_unknown_outcome_and_its_holder_is_fenced_off(spine, database):
    spine.connection.execute("UPDATE outbox.destination SET paused = true")
    record_many(spine, 3)
    await spine.drain()
    rows = await database.run("claim_deliveries", CLAIM | {"destination": 1, "since": BEGINNING, "limit": 2})
    lease, claimed_at, _, _, claimed = rows[0]
    assert (await rebuild(database)).taken == 2
    assert spine.attempts("meta") == [("uncertain", "lease taken by rebuild")] * 2
    settled = [
        {"event_id": number, "revision": 0, "outcome": "delivered", "status": 200}
        for (number, *_), *_ in json.loads(claimed)
    ]
    assert await database.run(
        "settle_deliveries", {"lease": lease, "holder": "one", "settlements": Jsonb(settled)}
    ) == [(0,)]
    again = await PostgresQueue(database, 1, "one", CLAIM["lease"]).claim(10)
    assert (
        sorted((each.tries, each.first_unknown_at) for each in again.deliveries if each.tries) == [(1, claimed_at)] * 2
    )
    assert [each.first_unknown_at for each in again.deliveries if not each.tries] == [None]


async def test_events_that_wait_for_intake_are_left_to_intake(spine, database):
    record_many(spine, 3)
    rows = await database.run("claim_events", CLAIM | {"since": 0, "limit": 2})
    assert (await rebuild(database)).events == 0
    assert [spine.count(table) for table in ("fragment", "delivery", "intake")] == [0, 0, 1]
    assert spine.connection.execute("SELECT id FROM outbox.lease").fetchall() == [(rows[0][0],)]
    spine.clock.move(minutes=2)
    assert await spine.drain() == 0
    assert spine.count("receipt") == 6


async def test_an_event_that_intake_gave_up_is_not_folded(spine, database, monkeypatch):
    """It is in no fragment, and what it does to intake it would do to the rebuild."""
    of = Fact.of

    def refusing(at, keys, *parts):
        if keys.lead_id == "poison":
            raise RuntimeError
        return of(at, keys, *parts)

    monkeypatch.setattr(Fact, "of", refusing)
    for number in range(3):
        spine.record(name="lead_submitted", event_id=f"e{number}", lead_id="poison" if number == 1 else f"L{number}")
    await spine.drain()
    assert spine.receipts()["e1", "meta"] == ("failed", "cannot be processed")
    before = projections(spine.connection)
    assert (await rebuild(database)).events == 2
    assert projections(spine.connection) == before


async def test_a_disabled_destination_is_skipped(spine, database):
    spine.connection.execute("UPDATE outbox.destination SET paused = true")
    record_many(spine, 2)
    await spine.drain()
    spine.connection.execute("UPDATE outbox.destination SET enabled = false WHERE name = 'ga4'")
    assert (await rebuild(database)).pending == 2
    assert set(spine.receipts().items()) == {((f"e{n}", "ga4"), ("skipped", "disabled")) for n in (1, 2)}


async def test_an_old_event_without_receipts_is_not_enqueued_and_ends_if_it_was_still_queued(spine, database):
    spine.connection.execute("UPDATE outbox.destination SET paused = true")
    record_many(spine, 2)
    spine.record(name="lead_submitted", event_id="ahead", lead_id="9", occurred_at=ago(days=-7))
    await spine.drain()
    spine.connection.execute(
        "DELETE FROM outbox.delivery WHERE event_id = 1"
    )  # as if retention had removed its receipts
    spine.clock.move(days=9)
    assert (await rebuild(database)).pending == 2
    assert spine.connection.execute("SELECT DISTINCT event_id FROM outbox.delivery").fetchall() == [(3,)]
    assert spine.receipts() == {("e2", name): ("failed", "window closed") for name in ("meta", "ga4")}


def test_every_window_is_closed_before_retention_may_begin():
    least = Settings.from_environment({"OUTBOX_RETENTION_DAYS": "8"}).retention_days
    assert max(kind.limits.window for kind in kinds().values()) < OPEN <= timedelta(days=least)


async def test_beside_running_dispatchers_nothing_is_lost_and_meta_counts_nothing_twice(spine, dispatch, outbox):
    spine.faults("meta", rates={"slow": 0.3, "http_500": 0.05}, slow_ms=300)
    spine.faults("ga4", rates={"slow": 0.3}, slow_ms=50)
    record_many(spine, 1500)
    for _ in range(2):
        dispatch(spine.database_url)
    await until(lambda: len(spine.arrivals("ga4")) > 100)
    for _ in range(2):
        code, printed, errors = await outbox("rebuild")
        assert code == 0, errors
        assert "events folded" in printed
        record_many_more = (
            "INSERT INTO outbox.event (name, lead_id) SELECT 'lead_submitted', n FROM generate_series(1, 100) AS n"
        )
        spine.connection.execute(record_many_more)
    spine.faults("meta")
    spine.faults("ga4")
    # Besides these there are re-sends after merges.
    await until(lambda: len(spine.receipts()) == 3400 and not spine.count("delivery") + spine.count("lease"), 60)
    assert {outcome for outcome, _ in spine.receipts().values()} == {"delivered"}
    counted = [arrival.event_id for arrival in spine.arrivals("meta") if arrival.verdict == "counted"]
    assert len(counted) == len(set(counted)) == 1700
    assert spine.count("delivery") == spine.count("intake") == 0


async def test_two_rebuilds_at_once_run_one_after_the_other(spine, database):
    spine.connection.execute("UPDATE outbox.destination SET paused = true")
    record_many(spine, 2 * BATCH + 10)
    await spine.drain()
    before = projections(spine.connection)
    async with Database.connect(spine.database_url) as other:
        first, second = await asyncio.gather(rebuild(database), rebuild(other))
    assert first == second
    assert first.events == 2 * BATCH + 10
    assert projections(spine.connection) == before


async def test_a_rebuild_killed_halfway_changes_nothing(spine, database_url):
    spine.connection.execute("UPDATE outbox.destination SET paused = true")
    record_many(spine, 200)
    await spine.drain()
    before, log = projections(spine.connection), logs(spine.connection)
    with psycopg.connect(database_url) as other:
        # The rebuild gets as far as dropping the fragments, and waits for this row.
        other.execute("SELECT FROM outbox.fragment WHERE handl_id = 'h7' LIMIT 1 FOR UPDATE")
        process = processes.start({"OUTBOX_DATABASE_URL": database_url}, "rebuild")
        waiting = "pg_locks WHERE NOT granted AND locktype IN ('tuple', 'transactionid')"
        await until(lambda: spine.connection.execute(f"SELECT count(*) FROM {waiting}").fetchone()[0])
        assert spine.connection.execute(
            "SELECT count(*) FROM pg_locks WHERE relation = 'outbox.lease'::regclass AND mode = 'ExclusiveLock' AND granted"
        ).fetchone() == (1,)
        process.kill()
        process.wait()
    assert projections(spine.connection) == before
    assert logs(spine.connection) == log


# The lock that rebuild, erase and retention work under

UNDER_THE_LOCK = {
    "erase_fragments",
    "erase_log",
    "erase_pending",
    "erase_stripe",
    "replace_fragment",
    "drop_empty_fragments",
    "drop_projections",
    "enqueue_pending",
    "fold_events",
    "remove_events",
    "remove_fragments",
    "take_back_leases",
}


def writers():
    """The queries that write to queues, logs or the identity graph."""
    names = sorted(file.stem for file in (data_folder("schema") / "queries").rglob("*.sql"))
    writing = re.compile(
        r"(INSERT INTO|DELETE FROM|UPDATE) outbox\.(?!(merge|leader|delivery_count|field_coverage|destination_state|dispatcher|alert|destination|route)\b)"
    )
    return [name for name in names if writing.search(load(name))]


def prepared(name):
    """A query with numbered parameters, for PREPARE."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", load(name))))
    return re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", load(name))


def test_a_query_under_the_lock_says_so():
    for name in writers():
        assert (name in UNDER_THE_LOCK) == ("under exclude_dispatchers" in " ".join(load(name).split())), name


@pytest.mark.parametrize("name", [name for name in writers() if name not in UNDER_THE_LOCK])
def test_every_other_writer_takes_the_lock_before_its_snapshot(connection, name):
    with connection.transaction(force_rollback=True):
        connection.execute(f"PREPARE examined AS {prepared(name)}")
        modes = connection.execute(
            "SELECT mode FROM pg_locks WHERE relation = 'outbox.lease'::regclass AND pid = pg_backend_pid()"
        ).fetchall()
        connection.execute("DEALLOCATE examined")
    assert {mode for (mode,) in modes} & {"RowShareLock", "RowExclusiveLock"}


def test_all_writers_are_found():
    assert {*writers()} >= {
        *UNDER_THE_LOCK,
        "claim_deliveries",
        "enqueue_resends",
        "expire_deliveries",
        "extend_lease",
        "reclaim_leases",
        "requeue_dead_letters",
        "settle_deliveries",
    }


async def test_a_statement_that_waited_for_the_lock_sees_what_was_done_meanwhile(spine, database, database_url):
    spine.connection.execute("UPDATE outbox.destination SET paused = true")
    record_many(spine, 2)
    await spine.drain()
    record_many_more = "INSERT INTO outbox.event (name, event_id, lead_id) VALUES ('lead_submitted', 'late', 'L')"
    spine.connection.execute(record_many_more)
    (lease, *_), *_ = await database.run("claim_deliveries", CLAIM | {"destination": 2, "since": BEGINNING, "limit": 1})
    settled = [{"event_id": 1, "revision": 0, "outcome": "delivered", "status": 200}]
    params = {
        "claim_deliveries": CLAIM | {"destination": 1, "since": BEGINNING},
        "claim_events": CLAIM | {"since": 0},
        "settle_deliveries": {"lease": lease, "holder": "one", "settlements": Jsonb(settled)},
        "reclaim_leases": RECLAIM,
    }
    with psycopg.connect(database_url) as other:
        other.execute(load("exclude_dispatchers"))
        other.execute("UPDATE outbox.event SET lead_id = 'erased'")
        other.execute("DELETE FROM outbox.delivery WHERE destination = 1 AND event_id = 1")
        other.execute("DELETE FROM outbox.lease")
        tasks = {name: asyncio.create_task(database.run_once(name, given)) for name, given in params.items()}
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'outbox.lease'::regclass AND NOT granted"
        await until(lambda: spine.connection.execute(waiting).fetchone() == (len(params),))
        other.commit()
    results = {name: await task for name, task in tasks.items()}
    claimed = {name: json.loads(results[name][0][4]) for name in ("claim_deliveries", "claim_events")}
    assert [(event[0], event[6]) for event, *_ in claimed["claim_deliveries"]] == [(2, "erased")]
    assert [arrival[5] for arrival in claimed["claim_events"]] == ["erased"]
    assert results["settle_deliveries"] == results["reclaim_leases"] == [(0,)]
    assert spine.count("receipt") == 0

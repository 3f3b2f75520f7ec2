"""`outbox erase` removes all data of a person and nothing of others; counts stay, and a repeated event stays out."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import psycopg
import pytest
from msgspec.structs import replace

from dispatcher.delivery.dead_letters import DeadLetterFilter, groups, requeue
from dispatcher.delivery.queue import PostgresQueue
from dispatcher.identity.fragments import Fact, fold, fragment_id, unpack
from dispatcher.identity.keys import Keys, Kind
from dispatcher.identity.resolver import PersonResolver
from dispatcher.intake.folding import folded
from dispatcher.maintenance.rebuild import rebuild
from dispatcher.models import Event, Settlement
from dispatcher.people.erasure import erase, identifies
from dispatcher.people.lookup import By, Selector
from outbox.sealing import seal
from tests.support.identity_tables import Tables, answer, fact_of
from tests.support.waiting import until

MARK = "zqx"
"""In every value of the person to be erased, and in nobody else's."""
ADA = {
    "person": {"email": f"{MARK}@example.com", "phone": "+44 20 7946 0958", "first_name": MARK, "city": MARK},
    "visitor": {"ip": "203.0.113.77", "user_agent": f"Mozilla {MARK}", "fbp": f"fb.1.1.{MARK}", "ga_client_id": MARK},
    "campaign": {"source": MARK},
    "details": {"value": 10, "currency": "EUR", "order_id": MARK, "message": f"call {MARK}"},
    "consent": {"ad_user_data": "granted"},
}
HASHES = [sha256(text.encode()).hexdigest() for text in (f"{MARK}@example.com", "442079460958", MARK)]
ERASED = ("skipped", "erased")


def ago(**time):
    return (datetime.now(UTC) - timedelta(**time)).isoformat()


def contents(connection):
    """Everything in the database, one text per table."""
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'outbox'").fetchall()
    return {
        table: connection.execute(
            f"SELECT coalesce(string_agg(row::text, E'\\n' ORDER BY row::text), '') FROM outbox.{table} AS row"
        ).fetchone()[0]
        for (table,) in tables
    }


def traces(connection):
    """The tables that still hold data of Ada."""
    marks = [MARK, "203.0.113.77", *(part for text in HASHES for part in (text, text[:8]))]
    return {table for table, text in contents(connection).items() if any(mark in text for mark in marks)}


def fragments(connection):
    return {
        keys: unpack(groups)
        for *keys, groups in connection.execute(
            "SELECT account_id, handl_id, lead_id, emails, phones, groups FROM outbox.fragment"
        )
        for keys in [tuple(keys)]
    }


@pytest.fixture
def erase_person(database):
    """Erase the person that a selector means."""

    async def erase_person(**selector):
        ((by, value),) = selector.items()
        return await erase(database, Selector(By(by), value))

    return erase_person


@pytest.fixture
async def ada(spine):
    """Ada as visitor, lead and account, all delivered; and Bob, who used her browser once."""

    def record(name, event_id, hours, **fields):
        spine.record(name=name, event_id=event_id, occurred_at=ago(hours=hours), **fields)

    record("lead_submitted", "lead", 9, handl_id="H1", lead_id=f"L{MARK}", **ADA)
    await spine.drain()
    record("account_created", "account", 8, account_id=f"A{MARK}", handl_id="H1", **ADA)
    record("demo_requested", "hers", 7, handl_id="H1", person={"last_name": MARK})
    record("signed_in", "bob in", 6, account_id="B1", handl_id="H1")
    record("demo_requested", "his", 5, handl_id="H1", person={"last_name": "Bob"})
    record("lead_submitted", "else", 5, handl_id="H2", lead_id="L2", person={"email": "c@c.co"})
    await spine.drain()


@pytest.mark.usefixtures("ada")
async def test_all_data_of_the_person_is_removed_and_nothing_of_others(spine, erase_person):
    assert traces(spine.connection) == {"event", "fragment", "fragment_key", "receipt"}
    others = "SELECT * FROM outbox.event WHERE event_id IN ('bob in', 'his', 'else') ORDER BY id"
    before = spine.connection.execute(others).fetchall()
    assert await erase_person(account=f"A{MARK}") == 3
    assert traces(spine.connection) == set()
    assert spine.connection.execute(others).fetchall() == before
    c = sha256(b"c@c.co").hexdigest()
    assert set(fragments(spine.connection)) == {
        ("B1", "H1", "", "", ""), ("B1", "", "", "", ""), ("", "H1", "", "", ""), ("", "H2", "L2", c, ""),
    }  # fmt: skip
    # Her events and his were in one fragment, which now holds only his.
    his = spine.connection.execute("SELECT id FROM outbox.event WHERE event_id = 'his'").fetchone()[0]
    shared = fragments(spine.connection)["", "H1", "", "", ""]
    assert {abs(event_id) for _, event_id in shared.values()} == {his}
    assert "ln" in shared


@pytest.mark.usefixtures("ada")
async def test_counts_and_amounts_stay(spine, erase_person):
    counts = "SELECT name, count(*) FROM outbox.event GROUP BY name ORDER BY name"
    outcomes = "SELECT destination, outcome, reason, count(*) FROM outbox.receipt GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    before = [spine.connection.execute(query).fetchall() for query in (counts, outcomes)]
    times = spine.connection.execute("SELECT id, occurred_at, recorded_at FROM outbox.event ORDER BY id").fetchall()
    await erase_person(lead=f"L{MARK}")
    assert [spine.connection.execute(query).fetchall() for query in (counts, outcomes)] == before
    assert (
        spine.connection.execute("SELECT id, occurred_at, recorded_at FROM outbox.event ORDER BY id").fetchall()
        == times
    )
    kept = spine.connection.execute(
        "SELECT event_id, details, notes, num_nonnulls(handl_id, lead_id, account_id, sealed, visitor, campaign, consent) "
        "FROM outbox.event WHERE notes IS NOT NULL ORDER BY event_id"
    ).fetchall()
    amount = {"value": 10, "currency": "EUR"}
    assert kept == [
        ("account", amount, ["erased"], 0), ("hers", None, ["erased"], 0), ("lead", amount, ["erased"], 0),
    ]  # fmt: skip


@pytest.mark.usefixtures("ada")
async def test_it_can_be_repeated_and_its_record_names_nobody(spine, erase_person, capsys):
    assert await erase_person(email=f"{MARK}@example.com") == 3
    assert [await erase_person(**by) for by in ({"email": f"{MARK}@example.com"}, {"lead": f"L{MARK}"})] == [0, 0]
    assert [row[0] for row in spine.connection.execute("SELECT events FROM outbox.erasure")] == [3]
    assert MARK not in "".join(capsys.readouterr()).replace(spine.database_url, "")


@pytest.mark.usefixtures("ada")
async def test_nothing_brings_anything_back_or_sends_it_again(spine, erase_person, database):
    spine.record(name="subscription_purchased", event_id="failed", account_id=f"A{MARK}", lead_id=f"L{MARK}")
    await spine.drain()
    assert spine.receipts()["failed", "meta"] == ("failed", "missing value")
    await erase_person(account=f"A{MARK}")
    before, arrived = fragments(spine.connection), len(spine.sandbox.ledger.arrivals)
    assert await groups(database, DeadLetterFilter()) == []
    assert await requeue(database, DeadLetterFilter()) == 0
    decided = [{"event_id": 1, "destination": 1, "revision": 1, "first_at": None}]  # decided before the erasure
    late = {"resends": psycopg.types.json.Jsonb(decided), "done": [], "later": [], "pause": timedelta()}
    assert await database.run("enqueue_resends", late) == [(0,)]
    await rebuild(database)
    assert fragments(spine.connection) == before
    assert await spine.drain() == 0
    assert len(spine.sandbox.ledger.arrivals) == arrived


async def test_pending_deliveries_end_as_erased_wherever_they_wait(spine, erase_person, database):
    spine.connection.execute("UPDATE outbox.destination SET paused = true WHERE name = 'ga4'")
    spine.faults("meta", rates={"http_500": 1.0})
    for event_id, lead in (("queued", "L1"), ("other", "L2")):
        spine.record(name="lead_submitted", event_id=event_id, lead_id=lead)
    await spine.drain()
    for event_id, lead, email in (("taken", "L1", "a@b.co"), ("beside", "L2", "c@d.co")):
        spine.record(name="lead_submitted", event_id=event_id, lead_id=lead, person={"email": email})
    claim = {"holder": "one", "lease": timedelta(seconds=60), "limit": 10, "losses": 0}
    assert len(json.loads((await database.run("claim_events", claim | {"since": 0}))[0][4])) == 2
    queue = PostgresQueue(database, 2, "one", timedelta(seconds=60))
    lease = await queue.claim(10)
    assert len(lease.deliveries) == 2
    spine.record(name="lead_submitted", event_id="waiting", lead_id="L1", person={"email": "a@b.co"})
    assert await erase_person(lead="L1") == 3
    receipts = spine.receipts()
    assert receipts == {
        (event_id, destination): ERASED
        for event_id in ("queued", "taken", "waiting")
        for destination in ("meta", "ga4")
    }
    # Deliveries of others stay where they were; events claimed for intake in the same lease are claimed again.
    pending = "SELECT event.event_id FROM outbox.{0}, outbox.event WHERE event.id = {1}"
    for table, expected in (("delivery", ["other"]), ("intake", ["beside"])):
        assert spine.connection.execute(pending.format(table, f"{table}.event_id")).fetchall() == [
            (e,) for e in expected
        ]
    assert spine.connection.execute(pending.format("lease", "ANY (event_ids)")).fetchall() == [("other",)]
    settlements = [Settlement(each.event.id, 0, "delivered", status=200, sent="em:1") for each in lease.deliveries]
    assert await queue.settle(lease, settlements) == 1
    assert spine.receipts()["queued", "ga4"] == ERASED
    assert spine.count("lease") == 0


async def test_an_intake_in_progress_does_not_bring_erased_data_back(spine, erase_person, database):
    spine.record(name="lead_submitted", event_id="e", lead_id="L1", person={"email": "a@b.co"})
    claim = {"holder": "one", "lease": timedelta(seconds=60), "limit": 10, "since": 0, "losses": 0}
    lease, *_ = (await database.run("claim_events", claim))[0]
    assert await erase_person(email="A@b.co") == 1
    json_ = psycopg.types.json.Jsonb
    settled = await database.run(
        "settle_events",
        {
            "lease": lease, "holder": "one", "pending": json_([]), "skipped": json_([]), "failed": [],
            "sealed": json_([{"event_id": 1, "sealed": {"meta": {"em": ["x"]}}, "notes": []}]),
            **folded([Fact((1, 1), Keys(lead_id="L1"), ["seen"])]),
        },
    )  # fmt: skip
    assert settled == [(0,)]
    assert [spine.count(table) for table in ("fragment", "fragment_event", "raw", "intake", "lease")] == [0] * 5
    assert spine.connection.execute("SELECT sealed, lead_id FROM outbox.event").fetchone() == (None, None)


@pytest.mark.usefixtures("ada")
async def test_a_repeat_of_an_erased_event_is_neither_stored_nor_counted(spine, erase_person):
    await erase_person(account=f"A{MARK}")
    arrived = len(spine.sandbox.ledger.arrivals)
    first = spine.record(name="lead_submitted", event_id="lead", handl_id="H1", lead_id=f"L{MARK}", **ADA)
    assert await spine.drain() == 0
    assert spine.connection.execute("SELECT id FROM outbox.event WHERE event_id = 'lead'").fetchall() == [(first,)]
    assert traces(spine.connection) == set()
    assert len(spine.sandbox.ledger.arrivals) == arrived


async def test_an_event_id_that_identifies_the_person_is_replaced(spine, erase_person):
    for event_id in (f"lead-L{MARK}", f"{MARK}@example.com", "lead-7", "7b1c7c0e-5f0f-4b0e-9c0e-7a7a7a7a7a7a"):
        spine.record(name="lead_submitted", event_id=event_id, lead_id=f"L{MARK}")
    await erase_person(lead=f"L{MARK}")
    kept = {row[0] for row in spine.connection.execute("SELECT event_id FROM outbox.event")}
    assert len(kept) == 4
    assert kept & {"lead-7", "7b1c7c0e-5f0f-4b0e-9c0e-7a7a7a7a7a7a"} == {
        "lead-7",
        "7b1c7c0e-5f0f-4b0e-9c0e-7a7a7a7a7a7a",
    }
    assert traces(spine.connection) == set()
    assert identifies("Account_5", {"5"})
    assert not identifies("account-55", {"5"})


async def test_stripe_tables_keep_amounts_without_the_customer(spine, erase_person):
    spine.record(
        name="subscription_purchased", event_id="in_1", lead_id=f"cus_{MARK}", details={"value": 1, "currency": "EUR"}
    )
    refund = {"event_id": "r", "at": 1, "currency": "eur", "amount": 5}
    for payment, customer in (("pi_1", f"cus_{MARK}"), ("pi_2", "cus_b")):
        message = {"at": 1, "customer": customer, "payments": [payment], "step": {
            "before": 0, "after": 5, "refund": {**refund, "customer": customer}}}  # fmt: skip
        spine.connection.execute("SELECT outbox.stripe_remember(%s)", (json.dumps(message),))
    free = {"at": 1, "customer": f"cus_{MARK}", "subscription": "sub_1", "free": [[1, 2, True]], "payments": []}
    spine.connection.execute("SELECT outbox.stripe_remember(%s)", (json.dumps(free),))
    spine.connection.execute("INSERT INTO outbox.stripe_invoice VALUES (now(), 'in_1', %s, '[]')", (f"cus_{MARK}",))
    assert traces(spine.connection) == {"event", "stripe_payment", "stripe_free", "stripe_invoice"}
    await erase_person(lead=f"cus_{MARK}")
    assert traces(spine.connection) == set()
    rows = "SELECT payment, customer, refunded::text, jsonb_array_length(waiting) FROM outbox.stripe_payment ORDER BY 1"
    assert spine.connection.execute(rows).fetchall() == [("pi_1", None, "{[0,5)}", 0), ("pi_2", "cus_b", "{[0,5)}", 1)]


@pytest.mark.usefixtures("ada")
async def test_later_events_are_new_data(spine, erase_person):
    await erase_person(account=f"A{MARK}")
    spine.record(name="trial_started", event_id="later", account_id=f"A{MARK}", visitor={"user_agent": "new"})
    await spine.drain()
    (payload,) = [json.loads(bytes(a.payload)) for a in spine.arrivals("meta") if a.event_id == "later"]
    assert set(payload["user_data"]) == {"external_id", "client_user_agent"}
    assert len(payload["user_data"]["external_id"]) == 1


async def test_a_key_too_long_for_an_index_is_found_too(spine, erase_person):
    for event_id, handl_id in (("long", "\N{SNOWMAN}" * 200), ("other", "\N{SNOWMAN}" * 201)):
        spine.record(name="lead_submitted", event_id=event_id, handl_id=handl_id, person={"email": f"{event_id}@b.co"})
    for take_in in (False, True):
        if take_in:
            await spine.drain()
            spine.record(name="lead_submitted", event_id="again", handl_id="\N{SNOWMAN}" * 200)
        assert await erase_person(handl="\N{SNOWMAN}" * 200) == 1
    assert spine.connection.execute("SELECT event_id FROM outbox.event WHERE notes IS NULL").fetchall() == [("other",)]
    assert spine.count("fragment") == 1


async def test_recording_never_waits_for_an_erasure(spine, database):
    async with database.transaction() as transaction:
        await transaction.run("exclude_dispatchers")
        spine.connection.execute("SET statement_timeout = '5s'")
        spine.record(name="lead_submitted", lead_id="L1", person={"email": "a@b.co"})
        spine.connection.execute("INSERT INTO outbox.event (name) VALUES ('lead_submitted')")
    assert spine.count("intake") == 2


async def test_beside_a_running_dispatcher_the_rest_of_a_batch_is_delivered_once(spine, erase_person, dispatch):
    spine.faults("meta", script=["slow"], slow_ms=3000)
    spine.connection.execute(
        "INSERT INTO outbox.event (name, event_id, lead_id) SELECT 'lead_submitted', 'e' || n, n FROM generate_series(1, 50) AS n"
    )
    dispatcher = dispatch(spine.database_url)
    await until(lambda: spine.arrivals("meta"))
    assert await erase_person(lead="7") == 1
    await until(lambda: spine.count("receipt WHERE destination = 1") == 50)
    assert spine.receipts()["e7", "meta"] == ERASED
    assert [arrival.verdict for arrival in spine.arrivals("meta")] == ["counted"] * 50
    assert spine.attempts("meta") == []
    assert not dispatcher.logged("lease lost")


async def test_it_asks_first_on_a_terminal_and_shows_only_counts(spine, outbox):
    spine.record(
        name="lead_submitted", event_id="e", handl_id="H", lead_id=f"L{MARK}", person={"email": f"{MARK}@b.co"}
    )
    code, printed, _ = await outbox("erase", "--lead", f"L{MARK}", answer="n\n")
    assert code == 1
    assert "1 events, 1 handlIDs, 1 leads, 1 traits, 1 pending deliveries" in printed
    assert MARK not in printed
    assert spine.count("erasure") == 0
    code, printed, errors = await outbox("erase", "--lead", f"L{MARK}", answer="y\n")
    assert (code, printed.endswith("erased: 1 events\n")) == (0, True)
    assert MARK not in errors
    assert traces(spine.connection) == set()


async def test_without_a_terminal_it_requires_yes(spine, outbox):
    spine.record(name="lead_submitted", event_id="e", lead_id="L1", person={"email": "a@b.co"})
    assert (await outbox("erase", "--email", "a@b.co"))[0] == 2
    assert spine.count("erasure") == 0
    assert (await outbox("erase", "--email", "A@B.co", "--yes"))[:2] == (0, "erased: 1 events\n")
    assert (await outbox("erase", "--email", "a@b.co", "--yes"))[:2] == (0, "no match\n")


# Against the identity graph over the whole log, on random logs


def accounts_of(events):
    """The account of each event, from all of them."""
    resolver = PersonResolver(Tables(events))
    return {
        event.id: owner.account_id for event, owner in zip(events, answer(resolver.find_owners(events)), strict=True)
    }


@pytest.mark.parametrize("seed", range(12))
async def test_what_remains_is_the_fold_of_the_other_events(spine, erase_person, seed):
    rng = random.Random(seed)
    spine.connection.execute("UPDATE outbox.destination SET paused = true")

    def record(number):
        spine.record(
            name=rng.choice(["lead_submitted", "signed_in", "demo_requested"]), event_id=f"e{number}",
            account_id=rng.choice([None, None, "A1", "A2", "A3"]), handl_id=rng.choice([None, "H1", "H2", "H3"]),
            lead_id=rng.choice([None, None, "L1", "L2", "L3"]), occurred_at=ago(minutes=rng.randrange(1000)),
            **rng.choice([{}, {"person": {"email": f"{rng.randrange(4)}@b.co"}}, {"visitor": {"fbp": "fb.1.1.2"}}]),
        )  # fmt: skip

    for number in range(40):
        record(number)
    await spine.drain()
    for number in range(40, 40 + rng.choice([0, 10])):
        record(number)  # still waiting for intake

    def read():
        rows = spine.connection.execute(
            "SELECT id, occurred_at, recorded_at, name, event_id, handl_id, lead_id, account_id, sealed, visitor, campaign, "
            "details, consent, public, notes FROM outbox.event ORDER BY id"
        ).fetchall()
        return {row[0]: (Event(*row[:-1]), row[-1]) for row in rows}

    def sealed(event):
        rows = spine.connection.execute("SELECT person FROM outbox.raw WHERE event_id = %s", (event.id,)).fetchall()
        return replace(event, sealed=seal(rows[0][0]).to_json()) if rows else event

    logged = [sealed(event) for event, _ in read().values()]
    expected = {event_id for event_id, account in accounts_of(logged).items() if account == "A1"}
    await erase_person(account="A1")
    assert {event_id for event_id, (_, notes) in read().items() if notes == ["erased"]} == expected
    await spine.drain()
    left = [event for event, _ in read().values() if event.id not in expected]
    folded = fold([fact_of(event) for event in left])
    assert fragments(spine.connection) == {tuple(keys)[:5]: unpack(each.groups) for keys, each in folded.items()}
    found = spine.connection.execute("SELECT fragment_id::text, at, event_id FROM outbox.fragment_event").fetchall()
    assert Counter(found) == Counter(
        (str(fragment_id(keys)), *at) for keys, each in folded.items() for at in each.events
    )
    kept = spine.connection.execute("SELECT kind, key, fragment_id::text FROM outbox.fragment_key").fetchall()
    assert {identifier for _, _, identifier in kept} == {str(fragment_id(keys)) for keys in folded}
    assert (Kind.ACCOUNT, "A1") not in {(kind, key) for kind, key, _ in kept}

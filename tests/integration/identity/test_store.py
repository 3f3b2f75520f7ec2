"""Identity in PostgreSQL: in whatever way the log is folded, the tables and the resolved profiles are the same."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from dispatcher.database.connections import Database
from dispatcher.database.queries import load
from dispatcher.identity.fragments import Fact, fold, keys_of, position, unpack
from dispatcher.identity.graph import KEY_LIMIT
from dispatcher.identity.resolver import PersonResolver
from dispatcher.models import Event
from tests.properties import identity_oracle as oracle
from tests.support.intake_worker import intake

BEGIN = datetime(2026, 11, 24, 12, tzinfo=UTC)
LEASE = timedelta(hours=1)
EMPTY = """
TRUNCATE outbox.event, outbox.raw, outbox.intake, outbox.delivery, outbox.lease, outbox.receipt,
         outbox.fragment, outbox.fragment_event, outbox.sign_in, outbox.merge
"""
TRAITS = ("em", "ph", "fn", "country")
BROWSER = ("fbp", "fbc", "fbclid", "user_agent", "ip", "url", "ga_client_id")


@pytest.fixture
def database_url(shared_database_url):
    """The URL of an empty database."""
    with psycopg.connect(shared_database_url, autocommit=True) as connection:
        connection.execute(EMPTY)
    return shared_database_url


# Logs


def random_log(rng, size=60):
    """Events with few keys, so that they collide; sometimes a key over the limit, a raw person or a refusal."""
    accounts, handls, leads = (rng.randint(2, 5) for _ in range(3))
    over_limit = rng.choice([{}, {"handl_id": "h0"}, {"lead_id": "l0"}, {"account_id": "a0"}])
    beside = rng.choice([name for name in ("account_id", "handl_id", "lead_id") if name not in over_limit])
    log = []
    for number in range(size):
        event = random_event(rng, number, rng.randrange(size // 2))
        if over_limit and number < KEY_LIMIT + 4:
            event |= {**over_limit, beside: f"{beside[0]}{number}"}
        else:
            keys = {"account_id": (0.25, accounts), "handl_id": (0.6, handls), "lead_id": (0.5, leads)}
            event |= {name: f"{name[0]}{rng.randrange(n)}" for name, (p, n) in keys.items() if rng.random() < p}
        log.append(event)
    return log


def random_event(rng, number, minute):
    """An event without its keys."""
    event = {
        "name": "signed_in",
        "event_id": str(number),
        "occurred_at": (BEGIN + timedelta(minutes=minute)).isoformat(),
    }
    traits = {name: [f"{name} of {number}"] for name in TRAITS if rng.random() < 0.3}
    if traits and rng.random() < 0.2:
        event["person"] = {"email": f"{number}@example.com"}
    elif traits:
        event["sealed"] = {
            "meta": traits,
            "google": {"sha256_email_address": [f"google of {number}"]},
            "country": f"country of {number}" if "country" in traits else None,
        }
    if browser := {name: f"{name} of {number}" for name in BROWSER if rng.random() < 0.2}:
        event["visitor"] = browser
    if rng.random() < 0.15:
        event["consent"] = {kind: rng.choice(["granted", "denied"]) for kind in oracle.CONSENTS}
    return event


# Folding into the tables


class Faltering:
    """A dispatcher's connections; sometimes it stalls before it settles, until its lease has expired."""

    def __init__(self, database, rng):
        self.database = database
        self.rng = rng
        self.left = 5

    async def run(self, query, params=None):
        if query == "settle_events" and self.left and self.rng.random() < 0.3:
            self.left -= 1
            async with self.database._pool.connection() as connection:
                await connection.execute(
                    "UPDATE outbox.lease SET expires_at = outbox.clock() - interval '1 s' WHERE id = %s",
                    (params["lease"],),
                )
            await self.database.run("reclaim_leases", {"most": 4})
        return await self.database.run(query, params)


async def take_in(intakes):
    """Run all intakes at the same time, until nothing waits."""

    async def repeat(one):
        while await one.step():
            pass
        await one.finish()

    while True:
        await asyncio.gather(*map(repeat, intakes))
        if await asyncio.gather(*(one.step() for one in intakes)) == [0] * len(intakes):
            return


def record(connection, log):
    for event in log:
        connection.execute("SELECT outbox.record(%s)", (json.dumps(event),))


def recorded(connection):
    """All events of the log."""
    rows = connection.execute(
        """
        SELECT id, occurred_at, recorded_at, name, event_id, handl_id, lead_id, account_id,
               sealed, visitor, campaign, details, consent
        FROM outbox.event
        """
    )
    return [Event(*row) for row in rows]


def fragments(connection):
    rows = connection.execute("SELECT account_id, handl_id, lead_id, groups FROM outbox.fragment")
    return unpacked({tuple(keys): newest for *keys, newest in rows})


def unpacked(fragments):
    return {keys: unpack(groups) for keys, groups in fragments.items()}


def fragment_events(connection):
    rows = connection.execute(
        "SELECT account_id, handl_id, lead_id, event_id FROM outbox.fragment_event JOIN outbox.fragment ON id = fragment_id"
    )
    return Counter((tuple(keys), event) for *keys, event in rows)


def sign_ins(connection):
    rows = connection.execute("SELECT kind, key, at, event_id, account_id FROM outbox.sign_in")
    return Counter(tuple(row) for row in rows)


def expected_sign_ins(events):
    kinds = {"handl": 2, "lead": 3}
    return Counter(
        (kinds[kind], key, oracle.micros(event), event.id, event.account_id)
        for event in events
        if event.account_id
        for kind, key in oracle.keys(event)
    )


@pytest.fixture
def failures(monkeypatch):
    """The errors of all statements: `Database.run` alone would hide a deadlock, as it tries again."""
    seen = []
    run_once = Database.run_once

    async def watched(self, query, params=None):
        try:
            return await run_once(self, query, params)
        except Exception as error:
            seen.append((query, error))
            raise

    monkeypatch.setattr(Database, "run_once", watched)
    return seen


@pytest.mark.parametrize("seed", range(24))
async def test_any_order_any_split_and_lost_leases_give_the_same_tables_and_profiles(
    database, connection, monkeypatch, failures, seed
):
    rng = random.Random(seed)
    monkeypatch.setattr("dispatcher.intake.worker.BATCH", rng.randint(3, 12))
    log = random_log(rng)
    rng.shuffle(log)
    intakes = [intake(Faltering(database, rng), f"holder {number}", lease=LEASE) for number in range(3)]
    while log:
        size = rng.randint(1, len(log))
        record(connection, log[:size])
        log = log[size:]
        await asyncio.gather(*(one.step() for one in intakes))
    await take_in(intakes)

    events = recorded(connection)
    assert fragments(connection) == oracle.fragments(events)
    assert fragment_events(connection) == Counter(
        (oracle.combination(e), e.id) for e in events if any(oracle.combination(e))
    )
    assert sign_ins(connection) == expected_sign_ins(events)
    whole = oracle.Log(events)
    for event, profile in zip(events, await PersonResolver(database).resolve(events), strict=True):
        fields = {name: getattr(profile, name) for name in oracle.Person.__dataclass_fields__}
        assert fields | {"account_id": profile.account_id or oracle.NOBODY} == asdict(whole.person(event))
    assert not failures


def by_name(connection):
    """The tables, with event_ids instead of row ids."""
    names = {event.id: event.event_id for event in recorded(connection)}
    return (
        {
            keys: {field: (at, names[abs(number)]) for field, (at, number) in newest.items()}
            for keys, newest in fragments(connection).items()
        },
        Counter((keys, names[number]) for keys, number in fragment_events(connection).elements()),
        Counter((*key, names[number], account) for *key, number, account in sign_ins(connection).elements()),
    )


@pytest.mark.parametrize("seed", range(3))
async def test_a_log_recorded_in_another_order_gives_the_same_tables(database, connection, seed):
    rng = random.Random(seed)
    log = [
        event | {"occurred_at": (BEGIN + timedelta(seconds=number)).isoformat()}
        for number, event in enumerate(random_log(rng))
    ]
    seen = []
    for _ in range(2):
        record(connection, log)
        await take_in([intake(database, "one", lease=LEASE)])
        seen.append(by_name(connection))
        connection.execute(EMPTY)
        rng.shuffle(log)
    assert seen[0] == seen[1]


async def test_many_dispatchers_over_the_same_few_keys_never_deadlock(database, connection, monkeypatch, failures):
    monkeypatch.setattr("dispatcher.intake.worker.BATCH", 40)
    connection.execute(
        """
        INSERT INTO outbox.event (name, occurred_at, account_id, handl_id, lead_id)
        SELECT 'signed_in', now() - n * interval '1 s', CASE WHEN n % 3 = 0 THEN 'a' || n * 7 % 11 END,
               'h' || n * 13 % 17, CASE WHEN n % 2 = 0 THEN 'l' || n * 5 % 23 END
        FROM generate_series(1, 2400) AS n ORDER BY md5(n::text)
        """
    )
    await take_in([intake(database, f"holder {number}", lease=LEASE) for number in range(8)])
    events = recorded(connection)
    assert fragments(connection) == unpacked(fold(Fact.of(position(e.occurred_at, e.id), keys_of(e)) for e in events))
    assert not failures


@pytest.mark.parametrize(("first", "length"), [(0x10000, 256), (0x4E00, 3000)])
async def test_keys_too_long_for_an_index_row_are_folded_and_distinguish_persons(
    database, connection, failures, first, length
):
    rng = random.Random(0)
    long = "".join(chr(first + rng.randrange(20_000)) for _ in range(length))  # does not compress
    for account in ("a", "b"):
        connection.execute(
            "INSERT INTO outbox.event (name, account_id, handl_id, lead_id) VALUES ('signed_in', %s, %s, %s)",
            (account + long, long, account + long),
        )
    connection.execute("INSERT INTO outbox.event (name, account_id) VALUES ('signed_in', %s)", ("a" + long,))
    await take_in([intake(database, "one", lease=LEASE)])
    first, second, again = await PersonResolver(database).resolve(recorded(connection))
    assert first.account_id == again.account_id != second.account_id
    assert set(again.keys) < set(first.keys)
    assert not failures


async def test_an_event_on_an_accounts_only_browser_borrows_from_its_events_without_a_browser(database, connection):
    record(connection, [{"name": "account_created", "account_id": "a", "handl_id": "h"}])
    record(connection, [{"name": "signed_in", "account_id": "a", "sealed": {"meta": {"ph": ["x"]}}}])
    await take_in([intake(database, "one", lease=LEASE)])
    profiles = await PersonResolver(database).look_up(recorded(connection))
    assert [profile.meta for profile in profiles] == [{"ph": ["x"]}] * 2


async def test_a_key_over_the_limit_connects_events_only_by_sign_ins_and_other_keys(database, connection):
    carried = [{"lead_id": "test", "handl_id": f"h{number}"} for number in range(KEY_LIMIT + 1)]
    record(connection, [{"name": "lead_submitted", **keys} for keys in [*carried, carried[0], {"handl_id": "h1"}]])
    await take_in([intake(database, "one", lease=LEASE)])
    events = recorded(connection)
    profiles = await PersonResolver(database).look_up(events)
    assert {event.handl_id for event, profile in zip(events, profiles, strict=True) if profile} == {"h0", "h1"}
    connection.execute(
        "SELECT outbox.record(%s)", (json.dumps({"name": "signed_in", "lead_id": "test", "account_id": "a"}),)
    )
    await take_in([intake(database, "one", lease=LEASE)])
    profiles = await PersonResolver(database).look_up(events)
    assert {profile.account_id for event, profile in zip(events, profiles, strict=True) if event.lead_id} == {"a"}


# Cost

# handl_id, lead_id, account_id of the n-th event of a person. Each size has its own keys: `size` is text.
PERSONS = {
    "a test lead": "'h' || size || n, 'test' || size, CASE WHEN n % 3 = 0 THEN 'a' || size || n END",
    "an office browser": "'office' || size, 'l' || size || n, CASE WHEN n % 2 = 0 THEN 'a' || size || n END",
    "an account": "'h' || size || n / 2, CASE WHEN n % 2 = 0 THEN 'l' || size || n / 3 END, 'a' || size",
}
SIZES = [1, 10, 1000, 20_000]


@pytest.mark.parametrize("person", PERSONS)
async def test_a_thousand_events_cost_the_same_few_queries_however_many_share_a_key(
    database, connection, monkeypatch, person
):
    connection.execute(
        f"""
        INSERT INTO outbox.event (event_id, name, occurred_at, sealed, visitor, handl_id, lead_id, account_id)
        SELECT size || n, 'signed_in', now() - n * interval '1 s',
               CASE WHEN n % 5 = 0 THEN '{{"meta": {{"em": ["x"]}}}}'::jsonb END,
               CASE WHEN n % 7 = 0 THEN '{{"fbp": "x"}}'::jsonb END, {PERSONS[person]}
        FROM unnest(array{SIZES}) AS sized (most), LATERAL (SELECT most || ' ' AS size) AS named, generate_series(1, most) AS n
        """
    )
    await take_in([intake(database, "one", lease=LEASE)])
    events = recorded(connection)
    queries = Counter()
    run = Database.run

    async def counted(self, query, params=None):
        queries[query] += 1
        return await run(self, query, params)

    monkeypatch.setattr(Database, "run", counted)
    rng = random.Random(0)
    for size in SIZES:
        mine = [event for event in events if event.event_id.startswith(f"{size} ")]
        for batch in (rng.choices(mine, k=1000), mine[:1]):
            queries.clear()
            await PersonResolver(database).resolve(batch)
            assert queries["read_fragments"] <= 5
            assert max(queries["find_sign_ins"], queries["read_sources"]) <= 1


FILL = """
INSERT INTO outbox.fragment (account_id, handl_id, lead_id, groups)
SELECT CASE WHEN n % 2 = 0 THEN 'a' || n / 20 ELSE '' END,
       CASE WHEN n % 10 = 1 THEN 'office' ELSE 'h' || n / 3 END,
       CASE WHEN n % 10 = 3 THEN 'test' ELSE 'l' || n END,
       jsonb_build_array(jsonb_build_array(n, n, 'seen'), jsonb_build_array(-n, -n, 'first'))
FROM generate_series(1, 100000) AS n;
INSERT INTO outbox.fragment (account_id, groups)
SELECT 'a' || n, jsonb_build_array(jsonb_build_array(n, n, 'seen'), jsonb_build_array(-n, -n, 'first'))
FROM generate_series(0, 5000) AS n;
INSERT INTO outbox.sign_in (kind, key, at, event_id, account_id)
SELECT 2 + n % 2, CASE WHEN n % 5 = 0 THEN 'office' ELSE 'h' || n / 3 END, n, n, 'a' || n / 20
FROM generate_series(1, 100000) AS n;
INSERT INTO outbox.event (name) SELECT 'signed_in' FROM generate_series(1, 20000);
"""
KEYS = ["office", "test", *(f"{kind}{number}" for kind in "ahl" for number in range(300))]
KINDS = [{"o": 2, "t": 3, "a": 1, "h": 2, "l": 3}[key[0]] for key in KEYS]
PARAMS = {
    "read_fragments": {name: Jsonb(dict.fromkeys(KEYS, 0)) for name in ("accounts", "handls", "leads")}
    | {"key_limit": KEY_LIMIT},
    "find_sign_ins": {"kinds": KINDS, "keys": KEYS, "ats": [50_000] * len(KEYS), "ids": [50_000] * len(KEYS)},
    "read_sources": {part: list(range(1, 1000)) for part in ("sealed", "visitor", "consent")},
}
TYPES = {Jsonb: "jsonb", "kinds": "smallint[]", "keys": "text[]", "key_limit": "bigint"}


@pytest.fixture(scope="module")
def hundred_thousand(server, template):
    """A connection to a database with that many fragments, among them those of a test lead and of an office browser."""
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE hundred_thousand TEMPLATE {template} STRATEGY file_copy")
        address = server.url.rsplit("/", 1)[0] + "/hundred_thousand"
        with psycopg.connect(address, autocommit=True, prepare_threshold=None) as connection:
            connection.execute(FILL)
            connection.execute("VACUUM ANALYZE outbox.fragment, outbox.sign_in, outbox.event")
            yield connection
        admin.execute("DROP DATABASE hundred_thousand WITH (FORCE)")


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("query", PARAMS)
def test_a_query_uses_the_indexes_that_it_names_and_stops_reading_a_key_at_the_limit(hundred_thousand, query, mode):
    comment = " ".join(line for line in load(query).splitlines() if line.startswith("--"))
    nodes = list(explain(hundred_thousand, query, mode))
    scans = [node for node in nodes if "Index Name" in node]
    assert {node["Index Name"] for node in scans} == set(re.findall(r"\w+_(?:pkey|handl|lead)\b", comment))
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
    if query != "read_sources":
        assert max(node["Actual Rows"] for node in scans) <= KEY_LIMIT + 1


@pytest.mark.parametrize("accounts", [0, 3])
def test_fragments_are_read_by_index_even_while_there_are_few_accounts(hundred_thousand, accounts):
    with hundred_thousand.transaction(force_rollback=True):
        hundred_thousand.execute(
            "DELETE FROM outbox.fragment WHERE account_id <> '' AND id NOT IN (SELECT id FROM outbox.fragment WHERE account_id <> '' LIMIT %s)",
            (accounts,),
        )
        hundred_thousand.execute("ANALYZE outbox.fragment")
        nodes = list(explain(hundred_thousand, "read_fragments", "auto"))
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]


def explain(connection, query, mode):
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", load(query))))
    text = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", load(query))
    values = sql.SQL(", ").join(sql.Literal(PARAMS[query][name]) for name in names)
    with connection.transaction(force_rollback=True):
        connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
        kinds = [TYPES.get(type(PARAMS[query][name])) or TYPES.get(name, "bigint[]") for name in names]
        connection.execute(f"PREPARE examined ({', '.join(kinds)}) AS {text}")
        (plans,) = connection.execute(
            sql.SQL("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE examined ({})").format(values)
        ).fetchone()
        connection.execute("DEALLOCATE examined")
    waiting = [plans[0]["Plan"]]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.get("Plans", ())

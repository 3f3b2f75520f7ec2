"""Identity in PostgreSQL: in whatever way the log is folded, the tables are the same and events go out as the oracle says."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from dispatcher.database.connections import Database
from dispatcher.database.queries import load
from dispatcher.identity.fragments import fold, fragment_id, marks
from dispatcher.identity.keys import KEY_LIMIT, Kind, links
from dispatcher.identity.resolver import MOST_FRAGMENTS, PersonResolver
from dispatcher.models import Event
from tests.properties.enrichment_oracle import resolve as judge
from tests.properties.histories import STORIES, history
from tests.support.clock import RECLAIM
from tests.support.identity_tables import fact_of
from tests.support.intake_worker import intake
from tests.support.told import as_json, of_oracle, of_product, with_one_lead

LEASE = timedelta(hours=1)
EMPTY = """
TRUNCATE outbox.event, outbox.raw, outbox.intake, outbox.delivery, outbox.lease, outbox.receipt,
         outbox.fragment, outbox.fragment_key, outbox.fragment_event, outbox.click, outbox.key_mark, outbox.merge
"""
HISTORIES = 60
"""Histories in one log, each with keys of its own."""


@pytest.fixture
def database_url(shared_database_url):
    """The URL of an empty database."""
    with psycopg.connect(shared_database_url, autocommit=True) as connection:
        connection.execute(EMPTY)
    return shared_database_url


def apart(told, number):
    """A history with keys that no other one has."""

    def own(value):
        return value and f"{value}.{number}"

    return [
        replace(
            event,
            id=event.id + 1000 * number,
            account=own(event.account),
            handl=own(event.handl),
            leads=tuple(map(own, event.leads)),
            emails=tuple(map(own, event.emails)),
            phones=tuple(map(own, event.phones)),
        )
        for event in with_one_lead(told)
    ]


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
            await self.database.run("reclaim_leases", RECLAIM)
        return await self.database.run(query, params)


async def take_in(intakes):
    """Run all intakes at the same time, until nothing waits."""

    async def repeat(one):
        while await one.step():
            pass
        await one.finish()

    params = {"intake": 0, "destinations": [], "sinces": []}
    while True:
        await asyncio.gather(*map(repeat, intakes))
        queues = await intakes[0]._database.run("ready_queues", params)
        if not (waiting := [row.losses for row in queues if row.queue == 0]):
            return
        intakes[0].suspect_losses = max(waiting)  # as the daemon does with what a worker was lost over


def record(connection, told):
    for event in told:
        connection.execute("SELECT outbox.record(%s)", (json.dumps(as_json(event)),))


def recorded(connection):
    """All events of the log."""
    rows = connection.execute(
        """
        SELECT id, occurred_at, recorded_at, name, event_id, handl_id, lead_id, account_id,
               sealed, visitor, campaign, details, consent, public
        FROM outbox.event ORDER BY id
        """
    )
    return [Event(*row) for row in rows]


def tables(connection):
    """Everything that identity keeps."""
    return {
        "fragments": {
            str(row[0]): row[1:]
            for row in connection.execute(
                "SELECT id, is_public, account_id, handl_id, lead_id, emails, phones, groups, known FROM outbox.fragment"
            )
        },
        "keys": Counter(connection.execute("SELECT kind, key, is_public, fragment_id::text FROM outbox.fragment_key")),
        "events": Counter(connection.execute("SELECT fragment_id::text, at, event_id FROM outbox.fragment_event")),
        "clicks": Counter(
            connection.execute("SELECT fragment_id::text, grade, digest, at, event_id FROM outbox.click")
        ),
        "marks": Counter(
            (digest, json.dumps(refusals))
            for digest, refusals in connection.execute("SELECT encode(digest, 'hex'), refusals FROM outbox.key_mark")
        ),
    }


def expected(connection, events):
    """The same, folded at once in Python."""
    facts = [fact_of(event) for event in events]
    fragments = fold(facts)
    identifiers = {keys: str(fragment_id(keys)) for keys in fragments}
    digests = {
        key: connection.execute("SELECT encode(outbox.key_digest(%s::smallint, %s), 'hex')", key).fetchone()[0]
        for key in marks(facts)
    }
    return {
        "fragments": {
            identifiers[keys]: (keys.is_public, *keys[:5], as_json_value(each.groups), as_json_value(each.known))
            for keys, each in fragments.items()
        },
        "keys": Counter(
            (*key, keys.is_public, identifiers[keys])
            for keys, each in fragments.items()
            for key in ([(Kind.ACCOUNT, keys.account_id)] if each.known is not None else links(keys).all)
        ),
        "events": Counter((identifiers[keys], *at) for keys, each in fragments.items() for at in each.events),
        "clicks": Counter((identifiers[keys], *click) for keys, each in fragments.items() for click in each.clicks),
        "marks": Counter((digests[key], json.dumps(as_json_value(refusals))) for key, refusals in marks(facts).items()),
    }


def as_json_value(value):
    return json.loads(json.dumps(value))


async def say(database, events):
    """What the product says of each event of the log."""
    resolver = PersonResolver(database)
    found = await resolver.find_enrichments(events)
    profiles = await resolver.resolve(events)
    return {
        event.id: of_product(event, own, enrichment, profile)
        for event, (own, enrichment), profile in zip(events, found, profiles, strict=True)
    }


def expect(histories, events):
    """What the oracle says of them; its events have the ids of the log."""
    ids = {int(event.event_id): event.id for event in events}
    said = {}
    for told in histories:
        outcomes = judge([replace(event, id=ids[event.id]) for event in told])
        said |= {number: of_oracle(outcome) for number, outcome in outcomes.items()}
    return said


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


@pytest.mark.parametrize("run", range(20))
async def test_any_order_any_split_and_lost_leases_give_the_same_tables_and_profiles(
    database, connection, monkeypatch, failures, run
):
    rng = random.Random(run)
    monkeypatch.setattr("dispatcher.intake.worker.BATCH", rng.randint(20, 200))
    histories = [apart(history(5000 + run * HISTORIES + number), number) for number in range(HISTORIES)]
    if run == 0:
        histories += [apart(story(), HISTORIES + number) for number, story in enumerate(STORIES.values())]
    log = [event for told in histories for event in told]
    rng.shuffle(log)
    intakes = [intake(Faltering(database, rng), f"holder {number}", lease=LEASE) for number in range(3)]
    while log:
        size = rng.randint(1, len(log))
        record(connection, log[:size])
        log = log[size:]
        await asyncio.gather(*(one.step() for one in intakes))
    await take_in(intakes)

    events = recorded(connection)
    assert tables(connection) == expected(connection, events)
    assert await say(database, events) == expect(histories, events)
    assert not failures


async def test_many_dispatchers_over_the_same_few_keys_never_deadlock(database, connection, monkeypatch, failures):
    monkeypatch.setattr("dispatcher.intake.worker.BATCH", 40)
    connection.execute(
        """
        INSERT INTO outbox.event (name, occurred_at, account_id, handl_id, lead_id, consent)
        SELECT 'signed_in', now() - n * interval '1 s', CASE WHEN n % 3 = 0 THEN 'a' || n * 7 % 11 END,
               'h' || n * 13 % 17, CASE WHEN n % 2 = 0 THEN 'l' || n * 5 % 23 END,
               CASE WHEN n % 7 = 0 THEN '{"ad_user_data": "denied"}'::jsonb END
        FROM generate_series(1, 2400) AS n ORDER BY md5(n::text)
        """
    )
    await take_in([intake(database, f"holder {number}", lease=LEASE) for number in range(8)])
    assert tables(connection) == expected(connection, recorded(connection))
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
    assert not failures


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
               CASE WHEN n % 5 = 0 THEN '{{"meta": {{"fn": ["x"]}}}}'::jsonb END,
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
            assert queries["read_fragments"] <= 4
            assert max(queries["find_around"], queries["read_sources"], queries["read_clicks"]) <= 1


FILL = """
INSERT INTO outbox.fragment (id, account_id, handl_id, lead_id, groups)
SELECT md5('f' || n)::uuid, CASE WHEN n % 2 = 0 THEN 'a' || n / 20 ELSE '' END,
       CASE WHEN n % 10 = 1 THEN 'office' ELSE 'h' || n / 3 END,
       CASE WHEN n % 10 = 3 THEN 'test' ELSE 'l' || n END,
       jsonb_build_array(jsonb_build_array(n, n, 'seen'), jsonb_build_array(-n, -n, 'first'))
FROM generate_series(1, 100000) AS n;
INSERT INTO outbox.fragment_key (fragment_id, kind, key)
SELECT id, 2, handl_id FROM outbox.fragment UNION ALL SELECT id, 3, lead_id FROM outbox.fragment;
INSERT INTO outbox.fragment (id, account_id, groups, known)
SELECT md5('a' || n)::uuid, 'a' || n, jsonb_build_array(jsonb_build_array(n, n, 'seen'), jsonb_build_array(-n, -n, 'first')), '[]'
FROM generate_series(0, 5000) AS n;
INSERT INTO outbox.fragment_key (fragment_id, kind, key) SELECT id, 1, account_id FROM outbox.fragment WHERE known IS NOT NULL;
INSERT INTO outbox.fragment_event (fragment_id, at, event_id)
SELECT md5('f' || n % 1000)::uuid, n, n FROM generate_series(1, 100000) AS n;
INSERT INTO outbox.click (fragment_id, grade, digest, at, event_id)
SELECT md5('f' || n)::uuid, 1, n, n, n FROM generate_series(1, 100000) AS n;
INSERT INTO outbox.key_mark (digest) SELECT outbox.key_digest(2::smallint, 'h' || n) FROM generate_series(1, 20000) AS n;
INSERT INTO outbox.event (name) SELECT 'signed_in' FROM generate_series(1, 20000);
"""
KEYS = {"2": ["office"], "3": ["test"]} | {
    kind: [f"{letter}{number}" for number in range(300)] for kind, letter in (("1", "a"), ("4", "e"), ("5", "p"))
}
KEYS["2"] += [f"h{number}" for number in range(300)]
KEYS["3"] += [f"l{number}" for number in range(300)]
PARAMS = {
    "read_fragments": {
        "keys": Jsonb({kind: dict.fromkeys(keys, 0) for kind, keys in KEYS.items()}),
        "most": MOST_FRAGMENTS,
    },
    "find_around": {"fragments": ["IDS"], "ats": [50_000] * 300, "ids": [50_000] * 300},
    "read_clicks": {"fragments": ["IDS"]},
    "read_sources": {part: list(range(1, 1000)) for part in ("sealed", "visitor")},
}
TYPES = {Jsonb: "jsonb", "most": "bigint", "fragments": "uuid[]"}


@pytest.fixture(scope="module")
def hundred_thousand(server, template):
    """A connection to a database with that many fragments, among them those of a test lead and of an office browser."""
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE hundred_thousand TEMPLATE {template} STRATEGY file_copy")
        address = server.url.rsplit("/", 1)[0] + "/hundred_thousand"
        with psycopg.connect(address, autocommit=True, prepare_threshold=None) as connection:
            connection.execute(FILL)
            connection.execute("VACUUM ANALYZE outbox.fragment, outbox.fragment_key, outbox.fragment_event")
            connection.execute("VACUUM ANALYZE outbox.click, outbox.key_mark, outbox.event")
            ids = connection.execute("SELECT array_agg(md5('f' || n)) FROM generate_series(1, 300) AS n").fetchone()[0]
            for query in ("find_around", "read_clicks"):
                PARAMS[query]["fragments"] = ids
            yield connection
        admin.execute("DROP DATABASE hundred_thousand WITH (FORCE)")


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("query", PARAMS)
def test_a_query_uses_the_indexes_that_it_names_and_stops_reading_a_key_at_the_limit(hundred_thousand, query, mode):
    comment = " ".join(line for line in load(query).splitlines() if line.startswith("--"))
    nodes = list(explain(hundred_thousand, query, mode))
    scans = [node for node in nodes if "Index Name" in node]
    assert {node["Index Name"] for node in scans} == set(re.findall(r"\w+_pkey\b", comment))
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
    if query == "read_fragments":
        assert max(node["Actual Rows"] for node in scans) <= MOST_FRAGMENTS


@pytest.mark.parametrize("most", [0, 3])
def test_fragments_are_read_by_index_even_while_there_are_few(hundred_thousand, most):
    with hundred_thousand.transaction(force_rollback=True):
        hundred_thousand.execute(
            "DELETE FROM outbox.fragment WHERE id NOT IN (SELECT id FROM outbox.fragment LIMIT %s)", (most,)
        )
        hundred_thousand.execute("ANALYZE outbox.fragment")
        nodes = list(explain(hundred_thousand, "read_fragments", "auto"))
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]


async def test_a_key_stays_over_the_limit_when_its_fragments_are_gone(database, connection):
    for number in range(KEY_LIMIT + 1):
        connection.execute(
            "INSERT INTO outbox.event (name, lead_id, handl_id) VALUES ('lead_submitted', 'test', %s)", (f"h{number}",)
        )
    await take_in([intake(database, "one", lease=LEASE)])
    ids = [row[0] for row in connection.execute("SELECT id FROM outbox.fragment")]
    await database.run("remove_fragments", {"ids": ids, "before": 2**62})
    connection.execute("DELETE FROM outbox.event")
    connection.execute(
        "INSERT INTO outbox.event (name, lead_id) SELECT 'lead_submitted', 'test' FROM generate_series(1, 2)"
    )
    await take_in([intake(database, "one", lease=LEASE)])
    events = recorded(connection)
    persons = await PersonResolver(database).find_owners(events)
    assert [person.person.value for person in persons] == [str(event.id) for event in events]


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

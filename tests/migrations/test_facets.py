"""Facets as they were kept field by field, brought to their present form and back."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.types.json import Jsonb

from dispatcher.database import migrations
from dispatcher.identity.fragments import EPOCH, Fact, Keys, fold, stamp, unpack
from tests.migrations.catalog import describe
from tests.support.drive import wait_until

BEFORE, AFTER = "0006", "0007"
FACETS = "SELECT account_id, handl_id, lead_id, {} FROM outbox.facet"
ADD = "INSERT INTO outbox.facet (account_id, handl_id, lead_id, newest) VALUES (%s, %s, %s, %s)"
FOLD = """
INSERT INTO outbox.facet (account_id, handl_id, lead_id, groups) SELECT account_id, handl_id, lead_id, groups FROM outbox.facet
ON CONFLICT (account_id, handl_id, lead_id) DO UPDATE SET groups = outbox.newest(facet.groups, excluded.groups)
"""
WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'outbox.lease'::regclass)"


def facts():
    """Events of few persons at few times, some before 1970 and at the same microsecond."""
    lots = random.Random(7)
    for number in range(1, 300):
        at = lots.choice([EPOCH - timedelta(days=9), EPOCH, datetime(2026, 11, 24, 12, tzinfo=UTC)])
        keys = Keys(lots.choice(["", "a"]), f"h{lots.randrange(20)}", lots.choice(["", f"l{lots.randrange(20)}"]))
        meta = {name: ["x"] for name in ("em", "ph", "zp", "country") if lots.random() < 0.5}
        visitor = {name: "x" for name in ("fbp", "user_agent", "url", "ga_client_id") if lots.random() < 0.5}
        consent = lots.choice([None, None, {"ad_user_data": "denied"}, {"ad_personalization": "granted"}])
        yield Fact.of(stamp(at + timedelta(minutes=lots.randrange(5)), number), keys, {"meta": meta}, visitor, consent)


def facets(connection, column="groups"):
    """What the facets know, by their keys."""
    return {tuple(keys): known for *keys, known in connection.execute(FACETS.format(column))}


@pytest.fixture
def connection(empty_database):
    """A connection to a database of before, in which some facts were folded."""
    migrations.upgrade(empty_database, BEFORE)
    with psycopg.connect(empty_database, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.executemany(ADD, [(*keys, Jsonb(unpack(groups))) for keys, groups in fold(facts()).items()])
        yield connection


def test_facets_are_brought_to_what_folding_anew_gives(connection, empty_database):
    folded = {tuple(keys): [list(group) for group in groups] for keys, groups in fold(facts()).items()}
    assert len({len(groups) for groups in folded.values()}) > 4
    migrations.upgrade(empty_database, AFTER)
    assert facets(connection) == folded
    connection.execute(FOLD)
    assert facets(connection) == folded


def test_down_they_are_again_what_they_were(connection, empty_database):
    before = facets(connection, "newest"), describe(connection)
    migrations.upgrade(empty_database, AFTER)
    migrations.downgrade(empty_database, BEFORE)
    assert (facets(connection, "newest"), describe(connection)) == before


def test_a_dispatcher_of_before_that_still_runs_reads_and_writes_nothing_wrong(connection, empty_database):
    migrations.upgrade(empty_database, AFTER)
    known = facets(connection)
    for statement in (FACETS.format("newest"), ADD % ("''", "'new'", "''", "'{}'")):
        with pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute(statement)
    assert facets(connection) == known


def test_a_dispatcher_that_is_settling_is_waited_for(connection, empty_database):
    with connection.transaction():
        connection.execute("UPDATE outbox.lease SET holder = holder")
        connection.execute(
            "INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome) VALUES (1, 1, 0, 0, 'dead')"
        )
        upgrading = threading.Thread(target=migrations.upgrade, args=(empty_database,))
        upgrading.start()
        with psycopg.connect(empty_database, autocommit=True) as other:
            wait_until(lambda: other.execute(WAITS).fetchone()[0])
        connection.execute(ADD, ("", "settled", "", Jsonb({"seen": [1, 1], "first": [-1, -1]})))
    upgrading.join()
    assert facets(connection)["", "settled", ""] == [[1, 1, "seen"], [-1, -1, "first"]]
    assert migrations.pending(empty_database) == []

"""Facets as they were kept field by field, brought to their present form and back."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.types.json import Jsonb

import migrations
from dispatcher.identity.facets import EPOCH, Fact, Keys, fold, stamp, unpack
from tests.migrations.catalog import describe

BEFORE, AFTER = "0006", "0007"
FACETS = "SELECT account_id, handl_id, lead_id, newest FROM outbox.facet"
ADD = "INSERT INTO outbox.facet (account_id, handl_id, lead_id, newest) VALUES (%s, %s, %s, %s)"
NEWEST = (
    "ON CONFLICT (account_id, handl_id, lead_id) DO UPDATE SET newest = outbox.newest(facet.newest, excluded.newest)"
)


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


def by_keys(rows):
    return {tuple(keys): newest for *keys, newest in rows}


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
    assert by_keys(connection.execute(FACETS)) == folded
    connection.execute(
        FACETS.replace("SELECT", "INSERT INTO outbox.facet (account_id, handl_id, lead_id, newest) SELECT")
        + f" {NEWEST}"
    )
    assert by_keys(connection.execute(FACETS)) == folded


def test_down_they_are_again_what_they_were(connection, empty_database):
    before = by_keys(connection.execute(FACETS)), describe(connection)
    migrations.upgrade(empty_database, AFTER)
    migrations.downgrade(empty_database, BEFORE)
    assert (by_keys(connection.execute(FACETS)), describe(connection)) == before


def test_a_dispatcher_of_before_that_still_runs_cannot_write_the_old_form(connection, empty_database):
    migrations.upgrade(empty_database, AFTER)
    known = connection.execute(FACETS).fetchone()
    for keys in (known[:3], ["", "new", ""]):
        with pytest.raises(psycopg.errors.CheckViolation, match="facet_newest_check"):
            connection.execute(f"{ADD} {NEWEST}", [*keys, Jsonb({"seen": [1, 1], "first": [-1, -1]})])
    assert by_keys(connection.execute(FACETS))[tuple(known[:3])] == known[3]

"""No field of an event takes PostgreSQL more than linear time, whatever its text is: by the functions and by a plain INSERT."""

from __future__ import annotations

import json
from time import perf_counter

import psycopg
import pytest

from tests.support.nasty import growing

OBJECTS = ("person", "sealed", "visitor", "campaign", "details", "consent")
FIELDS = (
    "name",
    "occurred_at",
    "event_id",
    "handl_id",
    "lead_id",
    "account_id",
    *OBJECTS,
    "notes",
    "public",
    "nothing known",
)
NOT_FROM_OUTSIDE = {"id", "recorded_at"}


@pytest.fixture
def connection(shared_database_url):
    with psycopg.connect(shared_database_url, autocommit=True) as connection:
        connection.execute("SET statement_timeout = '3s'")
        yield connection


def storable(text):
    return text.replace("\0", "0").replace("\ud800", "?")


def event(field, text):
    value = (
        {text[:200]: text, "a": [text[at : at + 50] for at in range(0, len(text), 50)]} if field in OBJECTS else text
    )
    if field == "notes":
        value = [text]
    return json.dumps({"name": "lead_submitted"} | {text if field == "nothing known" else field: value})


def test_every_field_is_tried(connection):
    columns = {
        name
        for (name,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'outbox.event'::regclass AND attnum > 0"
        )
    }
    assert columns - NOT_FROM_OUTSIDE <= set(FIELDS)


@pytest.mark.parametrize("field", FIELDS)
def test_a_recorded_field_takes_linear_time(connection, field):
    def work(text):
        with connection.transaction(force_rollback=True):
            connection.execute("SELECT outbox.record(%s::jsonb)", (event(field, storable(text)),))

    assert growing(work, perf_counter) is None


@pytest.mark.parametrize("column", ["details", "visitor", "consent", "event_id", "lead_id"])
def test_an_inserted_column_takes_linear_time(connection, column):
    def work(text):
        value = json.dumps({"a": storable(text)}) if column in OBJECTS else storable(text)[:2000]
        with connection.transaction(force_rollback=True):
            connection.execute(f"INSERT INTO outbox.event (name, {column}) VALUES ('lead_submitted', %s)", (value,))

    assert growing(work, perf_counter) is None

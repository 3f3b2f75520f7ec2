"""Recording in SQL: `outbox.record` and `outbox.record_many`, for any language."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from time import monotonic
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.database.tables import metadata

SECRET = "ada.lovelace@example.com"  # no error may quote it
OBJECTS = ("person", "sealed", "visitor", "campaign", "details", "consent")
IDS = ("event_id", "handl_id", "lead_id", "account_id")
INVALID = psycopg.errors.InvalidParameterValue


def record(connection, **event):
    """Record an event; return the id of its row."""
    return record_text(connection, json.dumps({"name": "lead_submitted"} | event))


def record_text(connection, text):
    return connection.execute("SELECT outbox.record(%s)", (text,)).fetchone()[0]


def record_many(connection, events):
    return connection.execute("SELECT outbox.record_many(%s)", (json.dumps(events),)).fetchone()[0]


def lead(event_id, **more):
    return {"name": "lead_submitted", "event_id": event_id, **more}


def read(connection, number, *columns):
    row = connection.execute(f"SELECT {', '.join(columns)} FROM outbox.event WHERE id = %s", (number,)).fetchone()
    return row[0] if len(columns) == 1 else row


def person_of(connection, number):
    row = connection.execute("SELECT person FROM outbox.raw WHERE event_id = %s", (number,)).fetchone()
    return row and row[0]


def rows(connection):
    """Return the number of rows of each non-empty table, except the configuration."""
    tables = connection.execute(
        """
        SELECT nspname || '.' || relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE relkind = 'r' AND nspname !~ '^(pg_|information_schema)'
          AND relname NOT IN ('step', 'destination', 'route', 'alembic_version')
        """
    ).fetchall()
    counts = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for (name,) in tables}
    return {name: count for name, count in counts.items() if count}


def nested(levels):
    """Return an object of so many levels as text, because no Python encoder nests deep enough."""
    return '{"a":' * levels + "1" + "}" * levels


@pytest.fixture
def database_url(shared_database_url):
    return shared_database_url


@pytest.fixture
def connection(database_url):
    """A CRM's connection to a database that other tests share."""
    with psycopg.connect(database_url, autocommit=True) as connected:
        yield connected
        connected.execute("RESET ROLE")
        for table in ("event", "intake", "raw", "receipt"):
            connected.execute(f"DELETE FROM outbox.{table}")


@pytest.fixture
def other(database_url):
    with psycopg.connect(database_url) as connected:
        yield connected


@contextmanager
def waiting(watcher, waiter, call):
    """Run `call` on the connection `waiter` in a thread; yield its future once it waits for a lock."""
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(call)
        deadline = monotonic() + 20
        while not watcher.execute("SELECT cardinality(pg_blocking_pids(%s))", (waiter.info.backend_pid,)).fetchone()[0]:
            assert not future.done(), "it did not wait"
            assert monotonic() < deadline
        yield future


# What is written


def test_an_event_is_written_as_it_was_given(connection):
    event = {
        "name": "subscription_purchased",
        "event_id": "shared-1",
        "occurred_at": "2026-05-24T10:00:00Z",
        "handl_id": "h-1",
        "lead_id": "17",
        "account_id": "42",
        "person": {"email": SECRET, "phone": "+44 20 7946 0958"},
        "visitor": {"ip": "203.0.113.7", "fbp": "fb.1.1.1"},
        "campaign": {"source": "facebook"},
        "details": {"value": 99.5, "currency": "EUR", "order_id": "o-1", "anything": ["else", {"deep": None}]},
        "consent": {"ad_user_data": "granted"},
    }
    number = record(connection, **event)
    columns = ("name", "event_id", "handl_id", "lead_id", "account_id", "visitor", "campaign", "details", "consent")
    assert read(connection, number, *columns) == tuple(event[column] for column in columns)
    assert read(connection, number, "occurred_at", "sealed", "notes") == (
        datetime(2026, 5, 24, 10, tzinfo=UTC),
        None,
        None,
    )
    assert person_of(connection, number) == event["person"]


def test_only_the_name_is_required(connection):
    number = record(connection)
    event_id, occurred_at, recorded_at, notes = read(
        connection, number, "event_id", "occurred_at", "recorded_at", "notes"
    )
    assert str(UUID(event_id)) == event_id
    assert occurred_at == recorded_at
    assert notes is None


def test_what_is_sealed_already_needs_no_raw_row(connection):
    sealed = {"meta": {"em": ["0" * 64]}, "google": {}, "country": "cy"}
    number = record(connection, sealed=sealed)
    assert read(connection, number, "sealed") == sealed
    assert rows(connection) == {"outbox.event": 1, "outbox.intake": 1}


def test_one_event_row_one_intake_row_and_one_raw_row_are_written_and_nothing_else(connection):
    connection.execute("LISTEN outbox")
    record(connection, person={"email": SECRET})
    assert rows(connection) == {"outbox.event": 1, "outbox.intake": 1, "outbox.raw": 1}
    record_many(connection, [lead("a"), lead("b", person={"email": SECRET}), lead("c")])
    assert rows(connection) == {"outbox.event": 4, "outbox.intake": 4, "outbox.raw": 2}
    assert connection.execute("SELECT array_agg(event_id ORDER BY event_id) FROM outbox.intake").fetchone() == (
        connection.execute("SELECT array_agg(id ORDER BY id) FROM outbox.event").fetchone()
    )
    assert list(connection.notifies(timeout=0)) == []


def test_many_are_recorded_as_one_by_one_and_their_ids_come_in_the_order_given(connection):
    steps = ["signed_in", "account_created", "lead_submitted", "email_verified"]
    events = [
        {"name": name, "event_id": f"{9 - number}", "person": {"email": f"{number}@example.com"}}
        for number, name in enumerate(steps)
    ]
    numbers = record_many(connection, events)
    assert [read(connection, number, "name") for number in numbers] == steps
    assert [person_of(connection, number) for number in numbers] == [event["person"] for event in events]


def test_an_empty_array_records_nothing(connection):
    assert record_many(connection, []) == []
    assert rows(connection) == {}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-05-24T10:00:00Z", "2026-05-24T10:00:00"),
        ("2026-05-24t10:00:00z", "2026-05-24T10:00:00"),
        ("2026-05-24 10:00Z", "2026-05-24T10:00:00"),
        ("2026-05-24T10:00:00.123456Z", "2026-05-24T10:00:00.123456"),
        ("2026-05-24T10:00:00.1234567Z", "2026-05-24T10:00:00.123457"),
        ("2026-05-24T10:00:00+02:00", "2026-05-24T08:00:00"),
        ("2026-05-24T10:00:00-0530", "2026-05-24T15:30:00"),
        ("2026-05-24 10:00:00 +02", "2026-05-24T08:00:00"),
        ("2026-05-24T10:00:00", "2026-05-24T10:00:00"),
        ("2026-05-24T24:00:00Z", "2026-05-25T00:00:00"),
        (" 2026-05-24T10:00:00Z ", "2026-05-24T10:00:00"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00"),
    ],
)
def test_a_time_is_read_as_iso_8601_whatever_the_session_is_set_to(connection, given, expected):
    connection.execute("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL, DMY'")
    number = record(connection, occurred_at=given)
    connection.execute("RESET TimeZone; RESET DateStyle")
    assert read(connection, number, "occurred_at") == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(("given", "expected"), [(17, "17"), (0, "0"), (-1, "-1"), (1.5, "1.5"), (2**80, f"{2**80}")])
def test_ids_may_be_numbers(connection, given, expected):
    number = record(connection, **dict.fromkeys(IDS, given))
    assert read(connection, number, *IDS) == (expected,) * 4


def test_null_and_empty_are_absent_without_a_note(connection):
    empty = dict.fromkeys((*IDS, "occurred_at"), "") | dict.fromkeys(OBJECTS)
    for event in (empty, dict.fromkeys((*IDS, "occurred_at", *OBJECTS, "notes")), {"handl_id": "   "}):
        number = record(connection, **event)
        assert read(connection, number, *IDS[1:], "visitor", "details", "notes") == (None,) * 6
        assert UUID(read(connection, number, "event_id"))
        assert person_of(connection, number) is None


@pytest.mark.usefixtures("connection")
def test_a_session_s_odd_settings_change_nothing(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            """
            SET standard_conforming_strings = off; SET escape_string_warning = off; SET transform_null_equals = on;
            SET "plpgsql.extra_errors" = 'all'; SET bytea_output = 'escape'; SET array_nulls = off;
            SET extra_float_digits = -15; SET IntervalStyle = 'sql_standard'; SET quote_all_identifiers = on;
            SET search_path = ''; SET check_function_bodies = off; SET plan_cache_mode = force_generic_plan
            """
        )
        at = "2026-05-24T10:00:00+02:00"
        number = record(connection, occurred_at=at, handl_id="x" * 300, person={"email": SECRET}, odd=1)
        assert read(connection, number, "occurred_at") == datetime(2026, 5, 24, 8, tzinfo=UTC)
        assert read(connection, number, "notes") == [
            "odd: unknown field, left out",
            "handl_id: longer than 256 characters, left out",
        ]
        assert len(record_many(connection, [lead("a", occurred_at=at), lead("b", person={"email": SECRET})])) == 2


# Structural mistakes

FUTURE = (datetime.now(UTC) + timedelta(days=8)).isoformat()

MISTAKES = [
    *(("event", text) for text in ("[]", '"ada.lovelace@example.com"', "1", "true", "null", None)),
    ("name", "{}"),
    *(("name", json.dumps({"name": name})) for name in (None, "", "  ", 5, True, [SECRET], {}, SECRET, SECRET * 1000)),
    *((field, json.dumps(lead("a") | {field: value})) for field in IDS for value in (True, [SECRET], {"a": SECRET})),
    *(
        ("occurred_at", json.dumps(lead("a", occurred_at=value)))
        for value in (
            *(5, 1779616800, True, [], {}, SECRET, "now", "today", "yesterday", "epoch", "infinity", "-infinity"),
            *("2026-05-24", "24.05.2026 10:00", "10:00", "2026-W21-7T10:00Z", "2026-144T10:00Z", "20260524T100000Z"),
            *("2026-02-30T10:00Z", "2026-13-01T10:00Z", "2026-05-24T25:00Z", "2026-05-24T10:61Z", "0000-01-01T00:00Z"),
            *("2026-05-24T10:00:00 Europe/Nicosia", "2026-05-24T10:00:00 EST", "2026-05-24T10:00:00 PM"),
            *("2026-05-24T10:00:00 BC", "2026-05-24T10:00:00+99:99", "2026-05-24T10:00:00+01:00:30"),
            *("2026-05-24T10:00:00." + "1" * 10_000 + "Z", "2026-05-24T10:00:00Z\n", "99999-01-01T00:00:00Z"),
            *(FUTURE, "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z"),
        )
    ),
    *((field, json.dumps(lead("a") | {field: value})) for field in OBJECTS for value in (SECRET, 1, True, [SECRET])),
    ("sealed", json.dumps(lead("a", sealed={"meta": {}}, person={"email": SECRET}))),
]


@pytest.mark.parametrize(("field", "text"), MISTAKES, ids=lambda value: str(value)[:60])
def test_a_structural_mistake_is_refused_and_the_error_names_the_field_and_quotes_nothing(connection, field, text):
    for statement, parameter in (
        ("SELECT outbox.record(%s)", text),
        ("SELECT outbox.record_many(%s)", f'[{{"name": "account_created", "event_id": "good"}}, {text or "null"}]'),
    ):
        with pytest.raises(INVALID) as caught:
            connection.execute(statement, (parameter,))
        diagnostics = caught.value.diag
        assert diagnostics.message_primary.startswith(f"{field}: ")
        everything = f"{caught.value} {diagnostics.message_detail} {diagnostics.message_hint} {diagnostics.context} {diagnostics.internal_query}"
        assert "lovelace" not in everything
    assert rows(connection) == {}


@pytest.mark.parametrize("text", ["{}", '"x"', "1", "null", None])
def test_many_takes_only_an_array(connection, text):
    with pytest.raises(INVALID, match=r"^events: expected a JSON array"):
        connection.execute("SELECT outbox.record_many(%s)", (text,))


def test_a_time_seven_days_ahead_is_taken(connection):
    at = datetime.now(UTC) + timedelta(days=7, minutes=-1)
    assert read(connection, record(connection, occurred_at=at.isoformat()), "occurred_at") == at


# Bad optional values

LARGE = {"a": "x" * 70_000}
OPTIONAL = [
    *(
        ({field: "x" * 257}, f"{field}: longer than 256 characters, left out", field)
        for field in ("handl_id", "lead_id", "account_id")
    ),
    ({"lead_id": 10**4000}, "lead_id: longer than 256 characters, left out", "lead_id"),
    *(
        ({field: json.loads(nested(33))}, f"{field}: nested deeper than 32 levels, left out", field)
        for field in OBJECTS
    ),
    ({"details": {"value": 10**400}}, "details: holds a number out of range, left out", "details"),
    ({"details": {"items": [{"price": -(10**301)}]}}, "details: holds a number out of range, left out", "details"),
    ({"surprise": SECRET}, "surprise: unknown field, left out", None),
    ({SECRET: SECRET}, "event: unknown field, left out", None),
    ({"x" * 10_000: 1}, "event: unknown field, left out", None),
    ({"notes": SECRET}, "notes: unknown field, left out", None),
]


@pytest.mark.parametrize(("given", "note", "column"), OPTIONAL, ids=lambda value: str(value)[:50])
def test_a_bad_optional_value_is_left_out_and_noted(connection, given, note, column):
    event = {"name": "lead_submitted", "campaign": {"source": "kept"}} | given
    for number in (record(connection, **event), *record_many(connection, [event])):
        assert read(connection, number, "notes") == [note]
        if column == "person":
            assert person_of(connection, number) is None
        elif column:
            assert read(connection, number, column) is None
        if column != "campaign":
            assert read(connection, number, "campaign") == {"source": "kept"}


def test_numbers_that_are_short_only_as_they_are_stored_are_left_out(connection):
    for number in ("1e400", "-1e100000", "1e-400", "-1e-16000"):
        row = record_text(connection, f'{{"name": "lead_submitted", "details": {{"value": {number}}}}}')
        assert read(connection, row, "details", "notes") == (None, ["details: holds a number out of range, left out"])
    for number in ("1e300", "-1e300", "1e-300", "0.0", "0e-500", "12345678901234567890.12345678901234567890"):
        row = record_text(connection, f'{{"name": "lead_submitted", "details": {{"value": {number}}}}}')
        assert read(connection, row, f"details -> 'value' = '{number}'::jsonb", "notes") == (True, None)


def test_an_event_id_too_long_for_an_index_becomes_its_hash_so_that_a_repeat_is_still_the_same(connection):
    long = "é" * 10_000
    number = record(connection, event_id=long)
    assert read(connection, number, "event_id", "notes") == (
        sha256(long.encode()).hexdigest(),
        ["event_id: longer than 256 characters, replaced by its SHA-256"],
    )
    assert record(connection, event_id=long) == number
    assert record_many(connection, [lead(long), lead(long[:-1])]) == [number, record(connection, event_id=long[:-1])]
    assert record(connection, event_id="é" * 256) != number


def test_notes_that_a_writer_took_along_are_kept_within_bounds(connection):
    number = record(connection, notes=["person.phone: no such number, left out", "x" * 1000, *["y"] * 100], odd=1)
    notes = read(connection, number, "notes")
    assert notes[:2] == ["odd: unknown field, left out", "person.phone: no such number, left out"]
    assert len(notes[2]) == 200
    assert len(notes) == 51


# Valid input is read in one step, with the same result as field by field

KEYS = st.sampled_from(
    ["17", "h-1", "é" * 256, "x" * 257, " 17", "17\n", "", "\u00a0", 17, 1.5, True, None, [], {"a": 1}]
)
TIMES = st.one_of(
    st.integers(0, 10**16).map(
        lambda micros: (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).isoformat()
    ),
    st.sampled_from(
        [
            *("2026-05-24T10:00:00Z", "2026-05-24T10:00:00.1234567-05:30", "2026-05-24T10:00:00", "2026-05-24 10:00Z"),
            *("2026-02-30T10:00:00Z", "2026-05-24T10:00:61Z", "2026-05-24T1:000:00Z", "0000-00-00T00:00:00Z"),
            *("2026-05-24T10:00:00+:1400", "24-05-2026T10:00:00Z", "2026-05-24T10:00:00.Z", "2026--05-2T410:00:00Z"),
            *("2024-02-29T10:00:00Z", "2023-02-29T10:00:00Z", "2026-04-31T10:00:00Z", "2026-12-31T23:59:59.9-13:59"),
            *("2026-05-24T10:00:00+15:59", "2026-05-24T24:00:00Z", "2026-05-24T10:00:00Z\n", " 2026-05-24T10:00:00Z"),
            *("tomorrow", "infinity", "", None, 5, [], {}),
        ]
    ),
)
NUMBERS = st.sampled_from([0, -1, 49.5, 10**300, 10**301, -(10**301), 1e-300, 1e-307, "1e400", True, None])
VALUES = st.recursive(
    NUMBERS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS.map(str), inner, max_size=3))
)
DEEP = st.integers(30, 35).map(lambda levels: json.loads(nested(levels)))
PARTS = st.one_of(st.dictionaries(st.sampled_from(["value", "a"]), VALUES, max_size=2), DEEP, VALUES, st.just(LARGE))
ODD = {
    **dict.fromkeys(("name", *IDS), KEYS),
    "occurred_at": TIMES,
    **dict.fromkeys(OBJECTS, PARTS),
    "notes": st.sampled_from([["said"], None, "x"]),
    "other": VALUES,
}
ORDINARY = {
    "name": "lead_submitted",
    "event_id": "e",  # a missing id or time would be generated for each
    "occurred_at": "2026-05-24T10:00:00.5Z",
    "lead_id": "17",
    "sealed": {"meta": {"em": ["0" * 64]}},
    "visitor": {"ip": "203.0.113.7"},
    "details": {"value": 49.5, "items": [{"price": 1}]},
}
EVENTS = st.lists(st.one_of([st.tuples(st.just(field), values) for field, values in ODD.items()]), max_size=3).map(
    lambda odd: ORDINARY | dict(odd)
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=500
)
@given(EVENTS)
def test_an_event_is_read_the_same_in_one_step_and_field_by_field(connection, event):
    text = json.dumps(event)
    seen = []
    for function in ("parse_event", "parse_fields"):
        try:
            with connection.transaction():
                seen.append(
                    connection.execute(
                        f"""
                        SELECT to_jsonb(parsed)
                            - CASE WHEN %(text)s::jsonb ->> 'event_id' ~ '\\S' THEN '' ELSE 'event_id' END
                            - CASE WHEN %(text)s::jsonb ->> 'occurred_at' ~ '\\S' THEN '' ELSE 'occurred_at' END
                        FROM outbox.{function}(%(text)s) AS parsed
                        """,
                        {"text": text},
                    ).fetchone()
                )
        except INVALID as error:
            seen.append(str(error).partition("\n")[0])
    assert seen[0] == seen[1]


def test_what_is_ordinary_is_read_in_one_step(connection):
    with connection.transaction(force_rollback=True):
        connection.execute(
            """
            CREATE OR REPLACE FUNCTION outbox.parse_fields(event jsonb) RETURNS outbox.event LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'field by field'; END $$
            """
        )
        for more in ({"consent": {"ad_user_data": "granted"}}, {"occurred_at": "2026-05-31T10:00:00+02:00"}):
            record(connection, **ORDINARY | more)
        record(connection, lead_id="17", campaign={"source": "x"}, person={"email": SECRET})
        record_many(connection, [ORDINARY | {"event_id": "many"}])
        with pytest.raises(psycopg.errors.RaiseException, match="field by field"):
            record(connection, handl_id=17)


# The same conversion again


def test_a_repeat_changes_nothing_and_gives_the_first_row_s_id(connection):
    first = record(connection, event_id="same", details={"n": 1}, person={"email": "first@example.com"})
    before = read(connection, first, "xmin::text", "event::text")
    assert record(connection, event_id="same", details={"n": 2}, person={"email": "second@example.com"}) == first
    assert record(connection, event_id=" same ", lead_id="17", sealed={"meta": {}}) == first
    assert record_many(connection, [lead("same"), lead("same")]) == [first, first]
    assert read(connection, first, "xmin::text", "event::text") == before
    assert person_of(connection, first) == {"email": "first@example.com"}
    assert rows(connection) == {"outbox.event": 1, "outbox.intake": 1, "outbox.raw": 1}


def test_a_repeat_after_intake_enqueues_nothing(connection):
    first = record(connection, event_id="same", person={"email": SECRET})
    connection.execute("DELETE FROM outbox.intake; DELETE FROM outbox.raw")
    assert record(connection, event_id="same", person={"email": SECRET}) == first
    assert record_many(connection, [lead("same", person={"email": SECRET})]) == [first]
    assert rows(connection) == {"outbox.event": 1}


def test_the_same_event_id_under_another_name_is_another_conversion(connection):
    assert record(connection, event_id="same") != record(connection, event_id="same", name="account_created")


def test_of_repeats_within_an_array_the_first_counts(connection):
    numbers = record_many(
        connection,
        [
            lead("b", details={"n": 1}),
            lead("a", details={"n": 1}, person={"email": "first@example.com"}),
            lead("b", details={"n": 2}, person={"email": "second@example.com"}),
            lead("a", details={"n": 2}, person={"email": "second@example.com"}),
            lead("b", details={"n": 3}, sealed={"meta": {}}),
        ],
    )
    b, a = numbers[:2]
    assert numbers == [b, a, b, a, b]
    assert a != b
    assert read(connection, b, "details", "sealed") == ({"n": 1}, None)
    assert read(connection, a, "details") == {"n": 1}
    assert (person_of(connection, b), person_of(connection, a)) == (None, {"email": "first@example.com"})
    assert rows(connection) == {"outbox.event": 2, "outbox.intake": 2, "outbox.raw": 1}


def test_known_and_new_may_be_mixed(connection):
    existing = record(connection, event_id="known")
    other_existing = record(connection, event_id="other")
    numbers = record_many(
        connection, [lead("z"), lead("known"), lead("a"), lead("other"), lead("z"), {"name": "signed_in"}]
    )
    assert (numbers[1], numbers[3]) == (existing, other_existing)
    assert numbers[0] == numbers[4]
    assert [read(connection, number, "event_id") for number in numbers[:5]] == ["z", "known", "a", "other", "z"]
    assert read(connection, numbers[5], "name") == "signed_in"
    assert rows(connection) == {"outbox.event": 5, "outbox.intake": 5}


# Transactions


def test_a_transaction_that_rolls_back_leaves_nothing(connection):
    with connection.transaction(force_rollback=True):
        record(connection, person={"email": SECRET})
        record_many(connection, [lead("a", person={"email": SECRET})])
    assert rows(connection) == {}


def test_a_savepoint_that_rolls_back_takes_only_its_own_along(connection):
    with connection.transaction():
        kept = record(connection, event_id="kept")
        with connection.transaction(force_rollback=True):
            record(connection, event_id="gone", person={"email": SECRET})
        with pytest.raises(INVALID), connection.transaction():
            record(connection, name="no_such_step")
    assert connection.execute("SELECT id FROM outbox.event").fetchall() == [(kept,)]
    assert rows(connection) == {"outbox.event": 1, "outbox.intake": 1}


@pytest.mark.parametrize("ending", ["commit", "rollback"])
@pytest.mark.parametrize(
    "write", [lambda on: record(on, event_id="same"), lambda on: record_many(on, [lead("same")])[0]]
)
def test_a_concurrent_duplicate_waits_for_the_first_to_end(connection, database_url, other, write, ending):
    first = write(other)
    with (
        psycopg.connect(database_url, autocommit=True) as third,
        waiting(connection, third, lambda: write(third)) as second,
    ):
        getattr(other, ending)()
        assert (second.result() == first) == (ending == "commit")
        assert connection.execute("SELECT id FROM outbox.event").fetchall() == [(second.result(),)]
        assert rows(connection) == {"outbox.event": 1, "outbox.intake": 1}


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize(
    "write", [lambda on: record(on, event_id="same"), lambda on: record_many(on, [lead("same")])[0]]
)
def test_above_read_committed_a_duplicate_committed_since_is_a_serialization_failure(connection, other, level, write):
    other.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
    other.execute("SELECT count(*) FROM pg_class")
    first = write(connection)
    with pytest.raises(psycopg.errors.SerializationFailure):
        write(other)
    other.rollback()
    other.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
    assert write(other) == first
    assert record_many(other, [lead("new"), lead("same"), lead("new")])[1] == first


def test_writers_of_the_same_events_in_opposite_order_do_not_deadlock(connection, database_url, other):
    record(other, event_id="m")  # blocks both writers in the middle of their events
    with (
        psycopg.connect(database_url, autocommit=True) as up,
        psycopg.connect(database_url, autocommit=True) as down,
        waiting(connection, up, lambda: record_many(up, [lead("a"), lead("m"), lead("z")])) as upwards,
        waiting(connection, down, lambda: record_many(down, [lead("z"), lead("m"), lead("a")])) as downwards,
    ):
        other.rollback()
        assert upwards.result() == downwards.result()[::-1]
    assert rows(connection) == {"outbox.event": 3, "outbox.intake": 3}


# Without the functions


def test_a_plain_insert_enqueues_intake_as_well(connection):
    connection.execute("INSERT INTO outbox.event (name) VALUES ('lead_submitted'), ('account_created')")
    connection.execute("INSERT INTO outbox.event (name) SELECT 'signed_in' FROM generate_series(1, 3)")
    with connection.cursor().copy("COPY outbox.event (name, event_id) FROM STDIN") as copy:
        copy.write_row(("lead_submitted", "copied"))
    connection.execute("INSERT INTO outbox.event (name) SELECT 'signed_in' WHERE false")
    connection.execute(
        "INSERT INTO outbox.event (name, event_id) VALUES ('lead_submitted', 'copied') ON CONFLICT DO NOTHING"
    )
    assert rows(connection) == {"outbox.event": 6, "outbox.intake": 6}
    assert connection.execute("SELECT count(DISTINCT event_id::uuid) FROM outbox.event WHERE event_id <> 'copied'"
                              ).fetchone() == (5,)  # fmt: skip


@pytest.mark.parametrize("timing", ["BEFORE", "AFTER"])
@pytest.mark.parametrize(
    "way",
    [
        "INSERT INTO outbox.event (name) VALUES ('signed_in')",
        """PERFORM outbox.record('{"name": "signed_in"}')""",
        """PERFORM outbox.record_many('[{"name": "signed_in"}]')""",
    ],
)
def test_a_trigger_of_the_owner_s_on_the_log_may_record_more(connection, way, timing):
    connection.execute(
        f"""
        CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.name <> 'signed_in' THEN
                {way};
            END IF;
            RETURN NEW;
        END
        $$;
        CREATE TRIGGER more {timing} INSERT ON outbox.event FOR EACH ROW EXECUTE FUNCTION more();
        """
    )
    try:
        record(connection)
        record_many(connection, [lead("a"), lead("b")])
        connection.execute("INSERT INTO outbox.event (name) VALUES ('lead_submitted')")
        assert rows(connection) == {"outbox.event": 8, "outbox.intake": 8}
    finally:
        connection.execute("DROP FUNCTION more CASCADE")


def test_what_lies_compressed_in_a_table_is_as_large_as_it_is(connection):
    connection.execute("CREATE TABLE lying (event jsonb, details jsonb)")
    event = lead("large", details=LARGE, person={"email": "x" * 70_000})
    connection.execute("INSERT INTO lying VALUES (%s, %s)", (json.dumps(event), json.dumps(LARGE)))
    assert connection.execute("SELECT pg_column_size(event) < 65536 FROM lying").fetchone() == (True,)
    try:
        with pytest.raises(INVALID, match=r"^(person|details): larger than 64 kB"):
            connection.execute("SELECT outbox.record(event) FROM lying")
        with pytest.raises(INVALID, match=r"^details: larger than 64 kB"):
            connection.execute("INSERT INTO outbox.event (name, details) SELECT 'signed_in', details FROM lying")
    finally:
        connection.execute("DROP TABLE lying")


def test_a_plain_insert_enqueues_intake_whatever_was_recorded_before_in_its_transaction(connection, other):
    record(other, event_id="waits")
    connection.execute("BEGIN")
    connection.execute("SET LOCAL lock_timeout = '50ms'")
    for call in (lambda: record(connection, event_id="waits"), lambda: record_many(connection, [lead("waits")])):
        record(connection)
        record_many(connection, [lead("a"), lead("b")])
        connection.execute("INSERT INTO outbox.event (name) VALUES ('signed_in')")
        connection.execute("SAVEPOINT before")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            call()
        connection.execute("ROLLBACK TO before")
        connection.execute("INSERT INTO outbox.event (name) VALUES ('signed_in')")
    connection.execute("COMMIT")
    other.rollback()
    assert rows(connection) == {"outbox.event": 8, "outbox.intake": 8}


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"name": SECRET}, "name"),
        ({"name": ""}, "name"),
        *(({"occurred_at": at}, "occurred_at") for at in ("infinity", "-infinity", FUTURE, "1969-12-31T23:59:59Z")),
        ({"event_id": ""}, "event_id"),
        ({"event_id": "  "}, "event_id"),
        ({"notes": ["x" * 66_000]}, "notes"),
        *(({field: "x" * 66_000}, "event") for field in ("event_id", "handl_id", "lead_id", "account_id")),
        ({"details": json.dumps({"a": "x" * 40_000}), "lead_id": "x" * 40_000}, "event"),
        *(({field: value}, field) for field in OBJECTS[1:] for value in ("[]", '"x"', nested(33), '{"a": 1e301}')),
    ],
    ids=lambda value: str(value).replace(FUTURE, "next week")[:50],
)
def test_a_plain_insert_is_held_to_the_same_rules(connection, columns, field):
    columns = {"name": "lead_submitted"} | columns
    names, places = ", ".join(columns), ", ".join(["%s"] * len(columns))
    with pytest.raises(INVALID) as caught:
        connection.execute(f"INSERT INTO outbox.event ({names}) VALUES ({places})", list(columns.values()))
    assert caught.value.diag.message_primary.startswith(f"{field}: ")
    assert rows(connection) == {}


@pytest.mark.parametrize("number", [0, -1, -(2**63)])
def test_a_plain_insert_may_not_number_events_where_nothing_looks_for_them(connection, number):
    with pytest.raises(INVALID, match=r"^id: "):
        connection.execute(
            "INSERT INTO outbox.event (id, name) OVERRIDING SYSTEM VALUE VALUES (%s, 'lead_submitted')", (number,)
        )
    assert rows(connection) == {}


# Hostile input


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "lead_submitted", "details": {"a": "\\u0000"}}',
        '{"name": "lead_submitted\\u0000"}',
        '{"name": "lead_submitted", "details": {"a": "\\ud800"}}',
        '{"name": "lead_submitted", "details": {"a": NaN}}',
        '{"name": "lead_submitted", "details": {"a": Infinity}}',
        '{"name": "lead_submitted", "details": {"a": 1e999999}}',
        '{"name": "lead_submitted", "details": ' + nested(1_000_000) + "}",
        '{"name": "lead_submitted"',
        "",
    ],
    ids=lambda value: value[:60],
)
def test_what_is_no_json_to_postgresql_is_refused_by_the_cast_and_leaves_nothing(connection, text):
    with pytest.raises((psycopg.DataError, psycopg.errors.StatementTooComplex)):
        record_text(connection, text)
    assert rows(connection) == {}
    assert record(connection)


def test_control_characters_are_kept_in_text(connection):
    wild = "".join(map(chr, range(1, 32))) + "\x7f\u200b\ufeff\U0010ffff"
    number = record(connection, event_id=wild, lead_id=wild, details={wild[:20]: wild}, visitor={"user_agent": wild})
    assert read(connection, number, "event_id", "lead_id", "details", "visitor", "notes") == (
        wild,
        wild,
        {wild[:20]: wild},
        {"user_agent": wild},
        None,
    )
    assert record(connection, event_id=wild) == number


def test_ten_megabytes_are_refused_and_leave_nothing(connection):
    body = "x" * 10_000_000
    for field, value in (("person", {"email": body}), ("details", {"a": body}), ("lead_id", body), ("event_id", body)):
        with pytest.raises(INVALID, match=f"^{field}: larger than 64 kB"):
            record(connection, **{field: value})
    assert rows(connection) == {}
    many = [lead(str(number), details={"a": "x" * 1000}) for number in range(5000)]
    assert len(set(record_many(connection, many))) == 5000


def test_depth_of_thousands_of_levels_is_left_out_and_noted(connection):
    number = record_text(
        connection, f'{{"name": "lead_submitted", "person": {nested(3000)}, "details": {nested(3000)}}}'
    )
    assert sorted(read(connection, number, "notes")) == [
        "details: nested deeper than 32 levels, left out",
        "person: nested deeper than 32 levels, left out",
    ]
    assert person_of(connection, number) is None
    number = record_text(connection, f'{{"name": "lead_submitted", "details": {nested(32)}}}')
    assert read(connection, number, "notes") is None


def test_text_for_numbers_and_duplicate_keys_are_accepted(connection):
    number = record_text(
        connection, '{"name": "signed_in", "name": "lead_submitted", "details": {"value": "NaN", "value": "-Infinity"}}'
    )
    assert read(connection, number, "name", "details") == ("lead_submitted", {"value": "-Infinity"})


# Roles

TABLES = {*(table.name for table in metadata.tables.values()), "alembic_version"}
READ, WRITE = {"SELECT"}, {"SELECT", "INSERT", "UPDATE", "DELETE"}
ROLES = {
    "outbox_recorder": ({}, {"record", "record_many", "stripe_remember"}),
    "outbox_reader": ({table: READ for table in TABLES if table != "raw"}, {"clock"}),
    "outbox_dispatcher": (dict.fromkeys(TABLES, WRITE), None),
    "stranger": ({}, set()),
}


@pytest.fixture
def stranger(connection):
    """A role without any grants."""
    connection.execute("CREATE ROLE stranger")
    yield
    connection.execute("DROP ROLE stranger")


@pytest.mark.usefixtures("stranger")
@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_it_is_for_and_nothing_else(connection, role):
    tables, functions = ROLES[role]
    may = connection.execute(
        """
        SELECT relname, array_agg(privilege ORDER BY privilege) FILTER (WHERE has_table_privilege(%(role)s, oid, privilege)
            OR privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege(%(role)s, oid, privilege))
        FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege
        WHERE relnamespace = 'outbox'::regnamespace AND relkind = 'r' GROUP BY relname
        """,
        {"role": role},
    ).fetchall()
    assert {table: set(privileges) for table, privileges in may if privileges} == tables
    assert {table for table, _ in may} == TABLES
    existing = connection.execute(
        """
        SELECT proname, has_function_privilege(%s, oid, 'EXECUTE') FROM pg_proc WHERE pronamespace = 'outbox'::regnamespace
        """,
        (role,),
    ).fetchall()
    expected = {name for name, _ in existing} if functions is None else functions
    assert {name for name, may_execute in existing if may_execute} == expected
    assert connection.execute(
        """
        SELECT count(*) FROM pg_sequence WHERE has_sequence_privilege(%s, seqrelid, 'USAGE, SELECT, UPDATE')
        """,
        (role,),
    ).fetchone() == (0,)
    assert connection.execute("SELECT has_schema_privilege(%s, 'outbox', 'CREATE')", (role,)).fetchone() == (False,)


def test_a_recorder_records_and_is_shown_nothing(connection):
    connection.execute("SET ROLE outbox_recorder")
    first = record(connection, event_id="a", person={"email": SECRET})
    assert record(connection, event_id="a") == first
    assert record_many(connection, [lead("b", person={"email": SECRET}), lead("a")])[1] == first
    with pytest.raises(INVALID, match=r"^name: "):
        record(connection, name="no_such_step")
    for statement in (
        *(f"SELECT FROM outbox.{table}" for table in TABLES),
        *(f"DELETE FROM outbox.{table}" for table in TABLES),
        "INSERT INTO outbox.event (name) VALUES ('lead_submitted')",
        "UPDATE outbox.event SET name = 'signed_in'",
        "TRUNCATE outbox.event",
        """SELECT outbox.parse_event('{"name": "lead_submitted"}')""",
        "SELECT outbox.unusable('{}')",
        "SELECT outbox.clock()",
        "SELECT nextval('outbox.event_id_seq')",
        "CREATE TABLE outbox.mine ()",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_a_reader_sees_everything_but_raw_persons_and_records_nothing(connection):
    record(connection, person={"email": SECRET})
    connection.execute("SET ROLE outbox_reader")
    for table in TABLES:
        if table != "raw":
            connection.execute(f"SELECT * FROM outbox.{table}")
    connection.execute("SELECT outbox.clock()")
    for statement in (
        "SELECT FROM outbox.raw",
        """SELECT outbox.record('{"name": "lead_submitted"}')""",
        """SELECT outbox.record_many('[]')""",
        "INSERT INTO outbox.event (name) VALUES ('lead_submitted')",
        "DELETE FROM outbox.receipt",
        "UPDATE outbox.destination SET enabled = false",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


@pytest.fixture
def worker(connection):
    """The name of a login role that is a dispatcher."""
    connection.execute("CREATE ROLE worker LOGIN PASSWORD 'worker' IN ROLE outbox_dispatcher")
    yield "worker"
    connection.execute("DROP ROLE worker")


async def test_a_dispatcher_does_all_its_work_with_its_role_alone(spine, worker):
    spine.record(name="lead_submitted", event_id="a", person={"email": SECRET}, visitor={"user_agent": "x"})
    password = spine.database_url.split(":")[2].split("@")[0]
    spine.database_url = spine.database_url.replace("outbox:", f"{worker}:").replace(password, "worker")
    assert await spine.drain() == 0
    assert {destination for _, destination in spine.receipts()} == {"meta", "ga4"}
    assert (
        rows(spine.connection).items() >= {"outbox.event": 1, "outbox.receipt": 2, "outbox.delivery_count": 2}.items()
    )


# A caller cannot change what the functions do

TRAPS = """
CREATE TABLE trap.sprung (by text DEFAULT current_user);
GRANT ALL ON SCHEMA trap TO PUBLIC;
GRANT INSERT, SELECT ON trap.sprung TO PUBLIC;
"""
TRAP_FUNCTIONS = {
    "jsonb_typeof(jsonb)": "text",
    "jsonb_each(jsonb)": "TABLE (key text, value jsonb)",
    "jsonb_array_elements_text(jsonb)": "SETOF text",
    "jsonb_array_elements(jsonb)": "SETOF jsonb",
    "btrim(text)": "text",
    "length(text)": "integer",
    "left(text, integer)": "text",
    "sha256(bytea)": "bytea",
    "gen_random_uuid()": "uuid",
    "now()": "timestamptz",
    "pg_column_size(jsonb)": "integer",
    "arrow(jsonb, text)": "jsonb",
    "matches(text, text)": "boolean",
}
TEMPORARY = """
CREATE TEMP TABLE event (LIKE trap.shape); CREATE TEMP TABLE intake (LIKE trap.shape);
CREATE TEMP TABLE raw (LIKE trap.shape); CREATE TEMP TABLE step (name text); CREATE TEMP TABLE recorded (LIKE trap.shape);
CREATE TEMP TABLE given (LIKE trap.shape); CREATE TEMP TABLE inserted (LIKE trap.shape);
INSERT INTO pg_temp.step VALUES ('no_such_step');
CREATE DOMAIN pg_temp.jsonb AS text; CREATE DOMAIN pg_temp.timestamptz AS text;
SET search_path = pg_temp, trap, outbox, public, pg_catalog
"""


def test_a_caller_s_own_functions_operators_and_tables_are_never_used(connection):
    connection.execute("CREATE SCHEMA trap")
    connection.execute(
        "CREATE TABLE trap.shape AS TABLE outbox.event WITH NO DATA; GRANT SELECT ON trap.shape TO PUBLIC"
    )
    connection.execute(TRAPS)
    connection.execute("SET ROLE outbox_recorder")
    for schema in ("trap", "pg_temp"):
        for signature, result in TRAP_FUNCTIONS.items():
            connection.execute(
                f"CREATE FUNCTION {schema}.{signature} RETURNS {result} LANGUAGE plpgsql AS "
                "'BEGIN INSERT INTO trap.sprung DEFAULT VALUES; RAISE EXCEPTION ''sprung''; END'"
            )
    for operator, function in (
        ("->", "LEFTARG = pg_catalog.jsonb, RIGHTARG = text, FUNCTION = trap.arrow"),
        ("~", "LEFTARG = text, RIGHTARG = text, FUNCTION = trap.matches"),
        ("!~", "LEFTARG = text, RIGHTARG = text, FUNCTION = trap.matches"),
    ):
        connection.execute(f"CREATE OPERATOR trap.{operator} ({function})")
    connection.execute(TEMPORARY)
    event = {"occurred_at": "2026-05-24T10:00:00Z", "person": {"email": SECRET}, "notes": ["x"]}
    number = record(connection, event_id="a", handl_id="x" * 300, details={"value": 1}, **event)
    assert len(record_many(connection, [lead("b", **event), lead("a")])) == 2
    record(connection, occurred_at="2026-05-24T10:00:00Z", details={"value": 1})  # read in one step
    with pytest.raises(INVALID, match=r"^name: not a step"):
        record(connection, name="no_such_step")
    for table in ("pg_temp.event", "pg_temp.intake", "pg_temp.raw", "pg_temp.recorded", "trap.sprung"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    connection.execute("RESET ROLE; RESET search_path; DROP SCHEMA trap CASCADE")
    assert read(connection, number, "event_id", "handl_id") == ("a", None)
    assert connection.execute("SELECT count(*) FROM outbox.raw").fetchone() == (2,)


@pytest.mark.parametrize(
    "details",
    [
        {f"key{number}": number for number in range(3_500)},  # in memory twice as much
        {"text": "a" * 65_000},
        {"text": "\n" * 50_000},  # as text twice as much
    ],
)
def test_64_kb_are_taken_however_they_are_counted(spine, details):
    event = {"name": "lead_submitted", "event_id": "e", "details": details}
    assert len(json.dumps(event)) > 55_000
    spine.record(**event)
    spine.connection.execute(
        "INSERT INTO outbox.event (name, event_id, details) VALUES ('lead_submitted', 'plain', %s)",
        (json.dumps(details),),
    )
    stored = spine.connection.execute("SELECT details FROM outbox.event").fetchall()
    assert stored == [(details,), (details,)]

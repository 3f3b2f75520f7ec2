"""Recording from Python: `outbox.record`, on every kind of connection that a CRM may have."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any

import psycopg
import pytest
from psycopg import rows
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.pool import NullPool

import outbox
from tests.support.paths import ROOT

PERSON = outbox.Person(
    email="Ada.Lovelace@Example.com",
    phone="+44 20 7946 0958",
    first_name="Augusta Ada",
    last_name="Lovelace",
    city="Marylebone",
    state="Middlesex",
    postal_code="SW1Y 4JH",
    country="GB",
    date_of_birth=date(1915, 12, 10),
    gender="f",
)
RAW = ("lovelace", "augusta", "79460958", "7946 0958", "marylebone", "middlesex", "sw1y", "1915-12-10", "19151210")


# Every kind of connection, in its own transaction that ends as requested. Each yields the object to pass to `record`
# and the psycopg connection below it.


@contextmanager
def sqlalchemy_session(url):
    with _engine(url) as engine, Session(engine) as session:
        yield session, session.connection().connection.driver_connection, session


@contextmanager
def sqlalchemy_scoped_session(url):
    with _engine(url) as engine:
        scoped = scoped_session(sessionmaker(engine))
        yield scoped, scoped.connection().connection.driver_connection, scoped
        scoped.remove()


@contextmanager
def sqlalchemy_connection(url):
    with _engine(url) as engine, engine.connect() as connection:
        yield connection, connection.connection.driver_connection, connection


@contextmanager
def _engine(url):
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    yield engine
    engine.dispose()


@asynccontextmanager
async def sqlalchemy_async_session(url):
    async with _async_engine(url) as engine, AsyncSession(engine) as session:
        yield session, await _driver(await session.connection()), session


@asynccontextmanager
async def sqlalchemy_async_scoped_session(url):
    async with _async_engine(url) as engine:
        scoped = async_scoped_session(async_sessionmaker(engine), scopefunc=lambda: "the only one")
        yield scoped, await _driver(await scoped.connection()), scoped
        await scoped.remove()


@asynccontextmanager
async def sqlalchemy_async_connection(url):
    async with _async_engine(url) as engine, engine.connect() as connection:
        yield connection, await _driver(connection), connection


@asynccontextmanager
async def _async_engine(url):
    engine = create_async_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    yield engine
    await engine.dispose()


async def _driver(connection):
    return (await connection.get_raw_connection()).driver_connection


@dataclass
class Row:
    id: int


def psycopg_connection(**options):
    @contextmanager
    def connected(url):
        with psycopg.Connection.connect(url, **options) as connection:
            yield connection, connection, connection
            connection.rollback()

    return connected


def psycopg_async_connection(**options):
    @asynccontextmanager
    async def connected(url):
        async with await psycopg.AsyncConnection.connect(url, **options) as connection:
            yield connection, connection, connection
            await connection.rollback()

    return connected


ROW_FACTORIES = {
    "dict_row": rows.dict_row,
    "namedtuple_row": rows.namedtuple_row,
    "class_row": rows.class_row(Row),
    "scalar_row": rows.scalar_row,
}
KINDS: dict[str, Any] = {
    "Session": sqlalchemy_session,
    "scoped_session": sqlalchemy_scoped_session,
    "Connection": sqlalchemy_connection,
    "AsyncSession": sqlalchemy_async_session,
    "async_scoped_session": sqlalchemy_async_scoped_session,
    "AsyncConnection": sqlalchemy_async_connection,
    "psycopg": psycopg_connection(),
    "psycopg, RawCursor": psycopg_connection(cursor_factory=psycopg.RawCursor),
    "psycopg, ClientCursor": psycopg_connection(cursor_factory=psycopg.ClientCursor),
    "psycopg, async": psycopg_async_connection(),
    "psycopg, async, RawCursor": psycopg_async_connection(cursor_factory=psycopg.AsyncRawCursor),
    **{f"psycopg, {name}": psycopg_connection(row_factory=factory) for name, factory in ROW_FACTORIES.items()},
    **{f"psycopg, async, {name}": psycopg_async_connection(row_factory=made) for name, made in ROW_FACTORIES.items()},
}


@contextmanager
def opened(kind, url) -> Iterator[tuple[Any, psycopg.Connection[Any], Any]]:
    """Open a connection of one kind; run its asynchronous parts to completion."""
    context = KINDS[kind](url)
    if not isinstance(context, AbstractAsyncContextManager):
        with context as (connection, driver, transaction):
            yield connection, driver, transaction
        return
    with asyncio.Runner() as runner:
        connection, driver, transaction = runner.run(context.__aenter__())
        yield _Awaited(connection, runner), driver, _Awaited(transaction, runner)
        runner.run(context.__aexit__(None, None, None))


@dataclass
class _Awaited:
    """An asynchronous connection, whose methods are awaited."""

    inner: Any
    runner: asyncio.Runner

    def __getattr__(self, name):
        async def call(*parameters):
            return await getattr(self.inner, name)(*parameters)

        return lambda *parameters: self.runner.run(call(*parameters))


def record(connection, conversions):
    """Record on any kind of connection, and await what must be awaited."""
    if not isinstance(connection, _Awaited):
        return outbox.record(connection, conversions)

    async def call():
        return await outbox.record(connection.inner, conversions)

    return connection.runner.run(call())


@pytest.fixture
def database_url(shared_database_url):
    return shared_database_url


@pytest.fixture
def connection(database_url):
    """Another connection, which sees what was committed."""
    with psycopg.connect(database_url, autocommit=True) as connected:
        yield connected
        for table in ("event", "intake", "raw"):
            connected.execute(f"DELETE FROM outbox.{table}")


def read(connection, number, *columns):
    row = connection.execute(f"SELECT {', '.join(columns)} FROM outbox.event WHERE id = %s", (number,)).fetchone()
    return row[0] if len(columns) == 1 else row


def count(connection):
    return connection.execute("SELECT count(*) FROM outbox.event").fetchone()[0]


# On every kind of connection


@pytest.mark.parametrize("kind", KINDS)
def test_one_is_recorded_in_the_caller_s_transaction(connection, database_url, kind):
    with opened(kind, database_url) as (writer, _, transaction):
        number = record(writer, outbox.LeadSubmitted(event_id="a", person=PERSON, form="lead-form-ds25"))
        assert type(number) is int
        assert count(connection) == 0
        transaction.commit()
    assert read(connection, number, "name", "event_id", "details") == (
        "lead_submitted",
        "a",
        {"form": "lead-form-ds25"},
    )


@pytest.mark.parametrize("kind", KINDS)
def test_many_are_recorded_and_their_ids_come_in_the_order_given(connection, database_url, kind):
    conversions = (outbox.LeadSubmitted(event_id=event_id) for event_id in ("b", "a", "b", "c"))
    with opened(kind, database_url) as (writer, _, transaction):
        numbers = record(writer, conversions)
        assert record(writer, []) == []
        transaction.commit()
    assert [read(connection, number, "event_id") for number in numbers] == ["b", "a", "b", "c"]
    assert count(connection) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_what_rolls_back_was_never_recorded(connection, database_url, kind):
    with opened(kind, database_url) as (writer, _, transaction):
        record(writer, outbox.LeadSubmitted(person=PERSON))
        record(writer, [outbox.LeadSubmitted(), outbox.SignedIn(account_id=1)])
        transaction.rollback()
    assert count(connection) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_repeat_gives_the_first_row_s_id(database_url, connection, kind):
    first = outbox.record(connection, outbox.LeadSubmitted(event_id="same"))
    with opened(kind, database_url) as (writer, _, _):
        assert record(writer, outbox.LeadSubmitted(event_id="same", person=PERSON)) == first
        assert record(writer, [outbox.LeadSubmitted(event_id="same")]) == [first]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_raw_of_a_person_goes_over_the_wire(database_url, tmp_path, kind):
    trace = tmp_path / "trace"
    with opened(kind, database_url) as (writer, driver, transaction), trace.open("w") as file:
        driver.pgconn.trace(file.fileno())
        record(writer, outbox.LeadSubmitted(person=PERSON, form="lead-form-ds25"))
        record(writer, [outbox.LeadSubmitted(person=PERSON), outbox.AccountCreated(account_id=1, person=PERSON)])
        transaction.rollback()
        driver.pgconn.untrace()
    text = trace.read_text().lower()
    assert "lead-form-ds25" in text
    assert "sha256_email_address" in text
    assert [raw for raw in RAW if raw in text] == []


# What is written


def test_all_that_is_known_arrives(connection):
    visitor = outbox.Visitor(
        ip="203.0.113.7", fbp="fb.1.1596403881668.1116446470", event_id="from-the-page", handl_id="h-1",
        campaign=outbox.Campaign(source="facebook"), consent={"ad_user_data": "granted"},
    )  # fmt: skip
    at = datetime(2026, 5, 24, 12, tzinfo=timezone(timedelta(hours=2)))
    number = outbox.record(
        connection,
        outbox.SubscriptionPurchased(
            occurred_at=at, lead_id=17, account_id="42", person=PERSON, visitor=visitor,
            value=Decimal("99.50"), currency="EUR", order_id=7, details={"plan": "pro", "currency": "USD"},
        ),
    )  # fmt: skip
    assert read(connection, number, "name", "event_id", "handl_id", "lead_id", "account_id", "notes") == (
        "subscription_purchased",
        "from-the-page",
        "h-1",
        "17",
        "42",
        None,
    )
    assert read(connection, number, "occurred_at") == at
    assert read(connection, number, "details") == {"plan": "pro", "currency": "EUR", "value": 99.5, "order_id": 7}
    assert read(connection, number, "visitor", "campaign", "consent") == (
        {"ip": "203.0.113.7", "fbp": "fb.1.1596403881668.1116446470"},
        {"source": "facebook"},
        {"ad_user_data": "granted"},
    )
    sealed = read(connection, number, "sealed")
    assert set(sealed["meta"]) == {"em", "ph", "fn", "ln", "ct", "st", "zp", "country", "db", "ge"}
    assert set(sealed["google"]) == {"sha256_email_address", "sha256_phone_number"}
    assert sealed["country"] == "gb"
    assert connection.execute("SELECT count(*) FROM outbox.raw").fetchone() == (0,)


def test_a_conversion_s_own_campaign_consent_and_ids_go_before_its_visitor_s(connection):
    visitor = outbox.Visitor(
        event_id="page", handl_id="page", campaign=outbox.Campaign(source="page"), consent={"ad_user_data": "granted"}
    )
    conversion = outbox.LeadSubmitted(
        event_id="own", handl_id="own", campaign=outbox.Campaign(source="own"), consent={"ad_user_data": False}, visitor=visitor
    )  # fmt: skip
    number = outbox.record(connection, conversion)
    assert read(connection, number, "event_id", "handl_id", "campaign", "consent") == (
        "own",
        "own",
        {"source": "own"},
        {"ad_user_data": "denied"},
    )


def test_the_region_of_national_numbers_is_the_argument_or_the_environment_s(connection, monkeypatch):
    def sealed(**options):
        number = outbox.record(connection, outbox.LeadSubmitted(person=outbox.Person(phone="020 7946 0958")), **options)
        return read(connection, number, "sealed -> 'google' -> 'sha256_phone_number'", "notes")

    monkeypatch.delenv("OUTBOX_PHONE_REGION", raising=False)
    international, _ = sealed(region="GB")
    assert international
    unknown, notes = sealed()
    assert unknown is None
    assert "left out" in notes[0]
    monkeypatch.setenv("OUTBOX_PHONE_REGION", " gb ")
    assert sealed() == (international, None)


class Plan(StrEnum):
    PRO = "pro"


class Size(IntEnum):
    LARGE = 3


class Colour(Enum):
    RED = "red"


class SafeText(str):
    """A safe string as in frameworks: its `str()` is one again."""

    __slots__ = ()

    def __str__(self):
        return self


class Float64(float):
    """A float subclass as in NumPy."""


CYCLE: dict[str, Any] = {}
CYCLE["again"] = CYCLE

DETAILS = [
    (float("nan"), None, "details.x: not a finite number of reasonable size, left out"),
    (float("-inf"), None, "details.x: not a finite number of reasonable size, left out"),
    (Decimal("NaN"), None, "details.x: not a finite number of reasonable size, left out"),
    (Decimal("sNaN"), None, "details.x: not a finite number of reasonable size, left out"),
    (Decimal("1E+200000"), None, "details.x: not a finite number of reasonable size, left out"),
    (Decimal("1E-200000"), None, "details.x: not a finite number of reasonable size, left out"),
    (Decimal("0." + "1" * 20_000), None, "details.x: not a finite number of reasonable size, left out"),
    (10**5000, None, "details.x: not a finite number of reasonable size, left out"),
    (-(2**255), -(2**255), None),
    (1.7976931348623157e308, None, "details: holds a number out of range, left out"),
    (5e-324, None, "details: holds a number out of range, left out"),
    (Decimal("19.90"), 19.9, None),
    (-0.0, 0, None),
    (datetime(2026, 5, 24, 10, tzinfo=UTC), "2026-05-24T10:00:00+00:00", None),
    (date(2026, 5, 24), "2026-05-24", None),
    (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007", None),
    (Plan.PRO, "pro", None),
    (Size.LARGE, 3, None),
    (SafeText("<b>"), "<b>", None),
    (Float64(1.5), 1.5, None),
    (True, True, None),
    (None, None, None),
    ((1, (2,)), [1, [2]], None),
    (Colour.RED, None, "details.x: Colour is not a JSON value, left out"),
    (b"bytes", None, "details.x: bytes is not a JSON value, left out"),
    ({1, 2}, None, "details.x: set is not a JSON value, left out"),
    (time(10), None, "details.x: time is not a JSON value, left out"),
    (object(), None, "details.x: object is not a JSON value, left out"),
    ([1, b"", "a"], [1, "a"], "details.x: bytes is not a JSON value, left out"),
    ("a\0b", "ab", "details.x: characters that cannot be stored were removed"),
    ("a\ud83d", "a", "details.x: characters that cannot be stored were removed"),
    ("\U0001f600é\u0001", "\U0001f600é\u0001", None),
    ("x" * 2001, "x" * 2000, "details.x: cut at 2000 characters"),
    ("x" * 10_000_000, "x" * 2000, "details.x: cut at 2000 characters"),
    ([1] * 300, [1] * 200, "details.x: only the first 200 entries were kept"),
    ({f"k{n}": n for n in range(300)}, {f"k{n}": n for n in range(200)}, "details.x: only the first 200 entries were kept"),
    ([[[["deep"]]]], [[[]]], "details.x: nested too deeply, left out"),
    (CYCLE, {"again": {"again": {}}}, "details.x.again.again.again: nested too deeply, left out"),
    ({"a\0": 1, "\ud800": 2, "": 3}, {"a": 1}, "details.x: characters that cannot be stored were removed"),
    ({1: "a", uuid.UUID(int=1): "b"}, {"1": "a", str(uuid.UUID(int=1)): "b"}, None),
    ({b"k": 1, 10**5000: 2, "a": 3}, {"a": 3}, "details.x: number too large, left out"),
    ({"k" * 50: 1}, {"k" * 40: 1}, "details.x: cut at 40 characters"),
    ({SafeText("k"): SafeText("v")}, {"k": "v"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("value", "kept", "note"), DETAILS, ids=lambda value: type(value).__name__)
def test_odd_details_are_recorded_as_far_as_they_can_be_and_noted(connection, value, kept, note):
    conversion = outbox.LeadSubmitted(details={"x": value, "plain": "kept"})
    for number in (outbox.record(connection, conversion), *outbox.record(connection, [conversion])):
        details, notes = read(connection, number, "details", "notes")
        if note and note.startswith("details:"):
            assert (details, notes) == (None, [note])
        else:
            assert details == ({"x": kept} if kept is not None else {}) | {"plain": "kept"}
            assert note in notes if note else notes is None


ODD_IDS = [
    (SafeText("17"), "17", None),
    (17, "17", None),
    (2**200, str(2**200), None),
    (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007", None),
    ("", None, None),
    ("a\0\ud800", "a", "{}: characters that cannot be stored were removed"),
    (True, None, "{}: expected text or a whole number, left out"),
    (1.5, None, "{}: expected text or a whole number, left out"),
    (["a"], None, "{}: expected text or a whole number, left out"),
    (10**5000, None, "{}: number too large, left out"),
    ("x" * 10_000, None, "{}: longer than 256 characters, left out"),
]


@pytest.mark.parametrize(("value", "kept", "note"), ODD_IDS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("field", ["handl_id", "lead_id", "account_id"])
def test_odd_ids_are_kept_as_text_or_left_out_and_noted(connection, field, value, kept, note):
    number = outbox.record(connection, outbox.Conversion(name="lead_submitted", **{field: value}))
    assert read(connection, number, field, "notes") == (kept, note and [note.format(field)])


def test_odd_persons_are_left_out_and_noted(connection):
    for person in (
        outbox.Person(email="\0\ud800", phone=10**30, country="Nowhere"),
        {"email": b"x"},
        "ada@example.com",
    ):
        number = outbox.record(connection, outbox.LeadSubmitted(person=person))
        sealed, notes = read(connection, number, "sealed", "array_to_string(notes, ' ')")
        assert not sealed["meta"]
        assert "left out" in notes
        assert "ada@" not in notes


def test_ten_megabytes_of_a_person_are_left_out_and_of_details_refused(connection):
    body = "x" * 10_000_000
    person = outbox.Person(email=body + "@example.com", first_name=body)
    number = outbox.record(connection, outbox.LeadSubmitted(event_id=body[:1000], person=person))
    assert read(connection, number, "length(event_id)", "sealed -> 'meta'") == (64, {})
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=r"^event_id: larger than 64 kB"):
        outbox.record(connection, outbox.LeadSubmitted(event_id=body))
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=r"^details: larger than 64 kB"):
        outbox.record(connection, outbox.LeadSubmitted(details={f"k{n}": body for n in range(100)}))


# Mistakes

NOW = datetime.now(UTC)


class Nowhere(tzinfo):
    """A time zone without an offset: its times are naive."""

    def utcoffset(self, _):
        return None


MISTAKES = [
    ("name", {"name": ""}),
    ("name", {"name": None}),
    ("name", {"name": 5}),
    ("occurred_at", {"occurred_at": "2026-05-24T10:00:00Z"}),
    ("occurred_at", {"occurred_at": date(2026, 5, 24)}),
    ("occurred_at", {"occurred_at": 1779616800}),
    ("occurred_at", {"occurred_at": datetime(2026, 5, 24, 10)}),  # noqa: DTZ001
    ("occurred_at", {"occurred_at": datetime(2026, 5, 24, 10, tzinfo=Nowhere())}),
    ("occurred_at", {"occurred_at": NOW + timedelta(days=8)}),
    ("occurred_at", {"occurred_at": datetime.max.replace(tzinfo=UTC)}),
    ("occurred_at", {"occurred_at": datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))}),
    ("occurred_at", {"occurred_at": datetime(1969, 12, 31, tzinfo=UTC)}),
    ("visitor", {"visitor": {"ip": "203.0.113.7"}}),
    ("campaign", {"campaign": {"source": "facebook"}}),
    ("details", {"details": ["ada.lovelace@example.com"]}),
    ("details", {"details": "ada.lovelace@example.com"}),
]


@pytest.mark.parametrize(("field", "given"), MISTAKES)
def test_a_structural_mistake_is_refused_before_the_database_is_asked(database_url, field, given):
    wrong = outbox.Conversion(**{"name": "lead_submitted"} | given)
    with psycopg.connect(database_url) as connection:
        for conversions in (wrong, [outbox.LeadSubmitted(), wrong]):
            with pytest.raises(outbox.ConversionError, match=f"^{field}: ") as caught:
                outbox.record(connection, conversions)
            assert caught.value.field == field
            assert "lovelace" not in str(caught.value)
        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


@pytest.mark.parametrize("given", [{"name": "lead_submitted"}, [{"name": "lead_submitted"}], ["x"], [None], "xy"])
def test_what_is_no_conversion_is_refused(connection, given):
    with pytest.raises(outbox.ConversionError, match=r"^conversion: expected an outbox conversion, got "):
        outbox.record(connection, given)


def test_a_step_that_the_funnel_does_not_know_is_refused_by_the_database(connection):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=r"^name: not a step of the funnel"):
        outbox.record(connection, outbox.Conversion(name="no_such_step"))


@pytest.mark.parametrize("ahead", [timedelta(days=7, minutes=-1), timedelta(seconds=30)])
def test_a_time_ahead_is_kept(connection, ahead):
    number = outbox.record(connection, outbox.LeadSubmitted(occurred_at=NOW + ahead))
    assert read(connection, number, "occurred_at") == NOW + ahead


def test_an_offset_that_sql_cannot_write_is_brought_to_utc(connection):
    at = datetime(2026, 5, 24, 10, 0, 30, tzinfo=timezone(timedelta(hours=1, seconds=30)))
    assert read(connection, outbox.record(connection, outbox.LeadSubmitted(occurred_at=at)), "occurred_at") == at


def test_what_is_no_connection_is_refused_by_name(database_url):
    with (
        _engine(database_url) as engine,
        psycopg.connect(database_url) as connection,
        connection.cursor() as cursor,
        sqlite3.connect(":memory:") as sqlite,
    ):
        for wrong in (None, database_url, engine, sessionmaker(engine), cursor, sqlite, object()):
            with pytest.raises(outbox.ConnectionTypeError, match=f"^connection: {type(wrong).__name__} is neither "):
                outbox.record(wrong, outbox.LeadSubmitted())
    sqlite.close()


# What an import costs


def run(script):
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_an_import_pulls_in_no_database_driver_no_server_and_no_other_package_of_ours():
    loaded = run("import outbox, sys; print(*{name.partition('.')[0] for name in sys.modules})")
    assert "outbox" in loaded
    assert (
        loaded
        & {
            *(
                "aiohttp",
                "apscheduler",
                "sqlalchemy",
                "alembic",
                "psycopg",
                "psycopg_pool",
                "structlog",
                "typer",
                "rich",
            ),
            *("schema", "migrations", "dispatcher", "tests"),
        }
        == set()
    )


def test_recording_pulls_in_only_what_the_caller_uses():
    script = """
import sys
import outbox, {driver}
try:
    outbox.record(object(), outbox.LeadSubmitted())
except outbox.ConnectionTypeError:
    print(*{{name.partition('.')[0] for name in sys.modules}})
"""
    assert "sqlalchemy" not in run(script.format(driver="psycopg"))
    assert "psycopg" not in run(script.format(driver="sqlalchemy"))
    assert "sqlalchemy" not in run(script.format(driver="json"))


def test_packages_of_a_crm_s_own_with_names_like_ours_do_not_collide(tmp_path):
    for name in ("schema", "migrations", "dispatcher", "utils", "record"):
        (tmp_path / f"{name}.py").write_text("OURS = True\n")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import outbox, schema, migrations; print(schema.OURS)"
    assert run(script) == {"True"}

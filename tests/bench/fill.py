"""Fill a database: events as `outbox.record` writes them from Python, and old events that are settled.

Of nine events, six are the only one of their person; three belong to one who submits a lead, downloads the trial and then
creates an account on the same browser: the later ones borrow missing fields from the earlier ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

import outbox
from outbox.encoding import encode

COLUMNS = (
    "occurred_at", "name", "event_id", "handl_id", "lead_id", "account_id",
    "sealed", "visitor", "campaign", "details", "consent",
)  # fmt: skip
_OBJECTS = frozenset(COLUMNS[6:])
_SINGLE = ("lead_submitted", "trial_downloaded", "demo_requested", "subscription_purchased")
_JOURNEY = ("lead_submitted", "trial_downloaded", "account_created")
_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
_PLACES = (("Limassol", "cy", "3025"), ("Berlin", "de", "10115"), ("Wien", "at", "1010"), ("Lyon", "fr", "69001"))
_FIRST = ("Ada", "Ana", "Ben", "Chloé", "Dora", "Emil", "Fritz", "Grace", "Hanna", "Igor")
_LAST = ("Lovelace", "Müller", "Okafor", "Petrov", "Quist", "Rossi", "Santos", "Tanaka")


def conversion(number: int) -> outbox.Conversion:
    """Return the conversion of a number, always the same except for its time."""
    rng = random.Random(number)
    person, step = (number // 9, number % 9 // 3) if number % 3 == 0 else (number, None)
    shared = step is not None
    name = _JOURNEY[step] if step is not None else rng.choice(_SINGLE)
    owner = f"{'j' if shared else 's'}{person}"
    city, country, postal_code = rng.choice(_PLACES)
    at = datetime.now(UTC) - timedelta(seconds=rng.uniform(1, 3000))
    seconds = int(at.timestamp()) - 600
    money = {"value": 49.5, "currency": "EUR", "order_id": f"order-{number}"} if "purchased" in name else {}
    return outbox.Conversion(
        name=name,
        event_id=f"e-{number:08}",
        occurred_at=at,
        handl_id=f"h-{owner}",
        lead_id=f"l-{owner}" if step != 2 else None,
        account_id=f"a-{owner}" if step == 2 or money else None,
        # The account has no phone: it is borrowed from the lead.
        person=outbox.Person(
            email=f"{owner}@example.com",
            phone=None if step == 2 else f"+3579{person % 10_000_000:07}",
            first_name=rng.choice(_FIRST),
            last_name=rng.choice(_LAST),
            city=city,
            postal_code=postal_code,
            country=country,
        ),
        visitor=outbox.Visitor(
            ip=f"203.0.113.{number % 250 + 1}",
            user_agent=_AGENT,
            fbp=f"fb.1.{seconds}000.{rng.randrange(10**9, 10**10)}",
            fbc=f"fb.1.{seconds}000.IwAR{rng.randrange(10**20):020}" if number % 2 else None,
            ga_client_id=f"{rng.randrange(10**8, 10**9)}.{seconds}",
            ga_session_id=str(seconds),
            url=f"https://www.example.com/products/{rng.randrange(40)}?utm_source=newsletter",
            referrer="https://www.google.com/",
        ),
        campaign=outbox.Campaign(source="newsletter", medium="email", campaign=f"spring-{rng.randrange(8)}"),
        details={"form": "lead-form-ds25", "product": f"product-{rng.randrange(6)}", **money},
    )


@cache
def events(count: int) -> tuple[dict[str, Any], ...]:
    """Return the sealed JSON of `count` conversions, as mappings."""
    return tuple(sealed(conversion(number) for number in range(count)))


def sealed(made: Iterable[outbox.Conversion]) -> Iterator[dict[str, Any]]:
    """Return conversions in the form of the recorded JSON, as mappings."""
    return (msgspec.json.decode(encode(one)) for one in made)


def row(event: dict[str, Any]) -> tuple[Any, ...]:
    """Return an event's values in the order of `COLUMNS`."""
    return tuple(
        Jsonb(event[column]) if column in _OBJECTS and column in event else event.get(column) for column in COLUMNS
    )


def record(url: str, made: tuple[dict[str, Any], ...]) -> None:
    """Write events in bulk as a CRM does, and move their intake rows to `bench.held`, so that intake does not start yet."""
    with psycopg.connect(url) as connection:
        with connection.cursor() as cursor, cursor.copy(f"COPY outbox.event ({', '.join(COLUMNS)}) FROM STDIN") as copy:
            for event in made:
                copy.write_row(row(event))
        connection.execute("CREATE TABLE IF NOT EXISTS bench.held (event_id bigint)")
        connection.execute("INSERT INTO bench.held SELECT event_id FROM outbox.intake ORDER BY event_id")
        connection.execute("DELETE FROM outbox.intake")


def record_again(connection: psycopg.Connection[Any], name: str) -> int:
    """Record every held event once more, with other ids and persons; return how many."""
    suffixed = [_suffixed(column, f"'{name}'") for column in COLUMNS]
    return connection.execute(
        f"""
        INSERT INTO outbox.event ({", ".join(COLUMNS)})
        SELECT {", ".join(suffixed)} FROM outbox.event WHERE id IN (SELECT event_id FROM bench.held) ORDER BY id
        """
    ).rowcount


def enqueue_intake(connection: psycopg.Connection[Any]) -> None:
    """Put all held events into the intake queue."""
    connection.execute("INSERT INTO outbox.intake (event_id) SELECT event_id FROM bench.held ORDER BY event_id")


def settle(url: str, count: int) -> None:
    """Add `count` events of ten days ago to a database, with receipts at both destinations and profile fragments.

    They are copies of the existing events with other ids and persons; what is pending for those stays pending.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        # These are not new events: no trigger may put them into the intake queue.
        connection.execute("SET session_replication_role = replica")
        (base,) = connection.execute("SELECT count(*) FROM bench.held").fetchone() or (0,)
        copies = -(-count // base)
        (first,) = connection.execute("SELECT max(id) FROM outbox.event").fetchone() or (0,)
        past = [_suffixed(column, "copy") for column in COLUMNS[1:]]
        connection.execute(
            f"""
            INSERT INTO outbox.event (recorded_at, {", ".join(COLUMNS)})
            SELECT recorded_at - interval '10 days', occurred_at - interval '10 days', {", ".join(past)}
            FROM generate_series(1, {copies}) AS copy, outbox.event
            WHERE id IN (SELECT event_id FROM bench.held) LIMIT {count}
            """
        )
        connection.execute(
            f"""
            INSERT INTO outbox.receipt (event_id, at, destination, revision, tries, status, outcome, trace, account_id, sent)
            SELECT event.id, occurred_at + interval '1 minute', destination.id, 0, 1, 200, 'delivered', 'A0', account_id,
                   %s
            FROM outbox.event CROSS JOIN outbox.destination WHERE event.id > {first}
            """,
            (_SENT,),
        )
        connection.execute(_COPY_FRAGMENTS, (copies,))
        connection.execute("CHECKPOINT")


_SENT = " ".join(
    [f"{name}:{number:08x}" for number, name in enumerate(("em", "ph", "fn", "ln", "ct", "zp", "country", "fbp"))]
    + ["external_id:5e884898", "external_id:6b3a55e0", "value", "currency", "content_name", "content_category"]
    + ["lead_source"]
)
_KEYS = ("account_id", "handl_id", "lead_id", "emails", "phones")
_COPIED = ", ".join(f"CASE WHEN {key} <> '' THEN {key} || '~' || copy ELSE '' END AS {key}" for key in _KEYS)
_DIGEST = " || '\\x00'::bytea || ".join(f"convert_to({key}, 'UTF8')" for key in _KEYS)
_COPY_FRAGMENTS = f"""
WITH copied AS (
    SELECT id AS original, copy, {_COPIED}, groups FROM outbox.fragment, generate_series(1, %s) AS copy WHERE NOT is_public
), named AS MATERIALIZED (
    SELECT *, encode(substring(sha256({_DIGEST} || '\\x00'::bytea) FOR 16), 'hex')::uuid AS id FROM copied
), fragments AS (
    INSERT INTO outbox.fragment (id, {", ".join(_KEYS)}, groups) SELECT id, {", ".join(_KEYS)}, groups FROM named
)
INSERT INTO outbox.fragment_key (fragment_id, kind, key)
SELECT named.id, kind, key || '~' || copy FROM named JOIN outbox.fragment_key ON fragment_key.fragment_id = original
"""
"""Fragments of other persons, with ids as `dispatcher.identity.fragments.fragment_id` makes them."""


def _suffixed(column: str, suffix: str) -> str:
    return f"{column} || '~' || {suffix}" if column.endswith("_id") else column

"""The cost of `record` for the CRM: on one and more connections, in bulk, and compared with pgqueuer's enqueue."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import psycopg

import outbox
from outbox.encoding import encode, encode_all
from tests.bench import business, fill, writer, yardsticks
from tests.bench.measure import Goal, Measurement, Side, at_least
from tests.bench.world import World
from tests.support.paths import ROOT

CONNECTIONS = (1, 4, 16)
BULK = 1000


@contextmanager
def _database(world: World) -> Iterator[str]:
    with world.database(world.migrated) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(writer.PLAIN)
        yield url


@contextmanager
def _single(world: World) -> Iterator[Mapping[str, Side]]:
    with _database(world) as url, _writers(url, max(CONNECTIONS)) as writers:

        def side(way: str, connections: int) -> Side:
            return lambda: _count(writers[:connections], way, world.plan.writing)

        yield {f"{way} {number}": side(way, number) for number in CONNECTIONS for way in ("insert", "sql", "record")}


@contextmanager
def _writers(url: str, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.writer", url, str(number)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    try:
        for one in writers:
            assert one.stdout
            assert one.stdout.readline() == "ready\n"
        yield writers
    finally:
        for one in writers:
            assert one.stdin
            assert one.stdout
            with suppress(BrokenPipeError):
                one.stdin.close()
            one.wait(30)
            one.stdout.close()


def _count(writers: list[subprocess.Popen[str]], way: str, seconds: float) -> float:
    begin = time.time() + 0.1
    for one in writers:
        assert one.stdin
        one.stdin.write(f"{way} {begin} {seconds}\n")
        one.stdin.flush()
    return sum(int(one.stdout.readline()) for one in writers if one.stdout) / seconds


@contextmanager
def _bulk(world: World) -> Iterator[Mapping[str, Side]]:
    conversions = [replace(fill.conversion(number), event_id=None) for number in range(BULK)]
    numbers = itertools.count()

    def fresh() -> list[outbox.Conversion]:
        return [replace(one, event_id=f"b{next(numbers)}") for one in conversions]

    with _database(world) as url, psycopg.connect(url, autocommit=True) as connection:

        def record() -> float:
            batches = [fresh() for _ in range(world.plan.records)]
            return _bulk_rate(batches, lambda batch: outbox.record(connection, batch))

        def sql() -> float:
            batches = [encode_all(fresh()).decode() for _ in range(world.plan.records)]
            return _bulk_rate(
                batches, lambda batch: connection.execute("SELECT outbox.record_many(%s::jsonb)", (batch,))
            )

        def copy() -> float:
            batches = [[(one.event_id, encode(one).decode()) for one in fresh()] for _ in range(world.plan.records)]
            return _bulk_rate(batches, copy_in)

        def copy_in(batch: list[tuple[str, str]]) -> None:
            with connection.cursor() as cursor, cursor.copy("COPY bench.plain (event_id, event) FROM STDIN") as copying:
                for row in batch:
                    copying.write_row(row)

        yield {"copy": copy, "sql": sql, "record": record}


def _bulk_rate(batches: list[Any], write: Callable[[Any], object]) -> float:
    began = time.perf_counter()
    for batch in batches:
        write(batch)
    return len(batches) * BULK / (time.perf_counter() - began)


@contextmanager
def _beside(world: World) -> Iterator[Mapping[str, Side]]:
    with _database(world) as url:
        business.install(url)
        yield {way: lambda way=way: yardsticks.run("tests.bench.business", url, way) for way in business.WAYS}


def _most(way: str, connections: int) -> Goal:
    return Goal(
        f"{way} ≤ 1.5 x insert, {connections} connections",
        lambda values: values[f"insert {connections}"] / values[f"{way} {connections}"],
        most=1.5,
    )


SINGLE = Measurement(
    "record",
    "one conversion per transaction: outbox.record (with sealing), the SQL function, a plain INSERT of the same bytes",
    "transactions/s",
    _single,
    tuple(_most(way, number) for way in ("sql", "record") for number in CONNECTIONS),
    "sealing is done in Python; the function parses and checks the JSON, and enqueues the event for intake",
)
BULK_RECORD = Measurement(
    "record_many",
    f"{BULK} conversions in one call, sealed before (sql) or in it (record), against COPY of the same bytes",
    "events/s",
    _bulk,
    (at_least(0.5, "sql", "copy"), at_least(0.5, "record", "copy")),
    "record: sealing in Python is slower than COPY; sql: an event has two indexes, is enqueued for intake, and its JSON is parsed",
)
BESIDE = Measurement(
    "record_beside",
    "the time that the call adds to a business transaction (p50): outbox.record, pgqueuer's enqueue, both on psycopg",
    "ms",
    _beside,
    (Goal("record ≤ a third of pgqueuer", lambda values: values["record"] / values["pgqueuer"], most=1 / 3),),
    "both on one psycopg connection; sealing is done in Python, the rest is one statement",
)

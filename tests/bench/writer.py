"""A CRM's process with one connection that writes one conversion per transaction, in a given way, on request.

    python -m tests.bench.writer DATABASE_URL NUMBER

It reads lines of `WAY BEGIN SECONDS` from standard input (BEGIN in Unix seconds), and answers each with the number of
transactions that it made. Ways: `record` (the call `outbox.record`, including sealing), `sql` (the function with the same
bytes, already sealed), `insert` (a plain INSERT of those bytes).
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import psycopg

import outbox
from outbox.encoding import encode
from tests.bench import fill

PLAIN = (
    "CREATE TABLE bench.plain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id text UNIQUE, event jsonb)"
)
INSERT = "INSERT INTO bench.plain (event_id, event) VALUES (%s, %s::jsonb)"
RECORD = "SELECT outbox.record(%s::jsonb)"


def ways(connection: psycopg.Connection[object], number: int) -> dict[str, Callable[[str], object]]:
    """Return each way of writing as a function of the event's id."""
    conversion = replace(fill.conversion(number * 3 + 1), event_id="@")
    text = encode(conversion).decode()
    before, after = text.split('"@"')
    return {
        "record": lambda event_id: outbox.record(connection, replace(conversion, event_id=event_id)),
        "sql": lambda event_id: connection.execute(RECORD, (f'{before}"{event_id}"{after}',)).fetchone(),
        "insert": lambda event_id: connection.execute(INSERT, (event_id, f'{before}"{event_id}"{after}')),
    }


def main() -> None:
    """Write on request until standard input closes."""
    url, number = sys.argv[1], int(sys.argv[2])
    with psycopg.connect(url, autocommit=True) as connection:
        write_ways = ways(connection, number)
        ids = (f"w{number}-{count}" for count in itertools.count())
        for write in write_ways.values():  # so that one-off work, such as preparing statements, is not counted
            for _ in range(10):
                write(next(ids))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for line in sys.stdin:
            way, begin, seconds = line.split()
            write, end, made = write_ways[way], float(begin) + float(seconds), 0
            time.sleep(max(0.0, float(begin) - time.time()))
            while time.time() < end:
                write(next(ids))
                made += 1
            sys.stdout.write(f"{made}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()

"""The cost of an idle dispatcher."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from tests.bench import processes
from tests.bench.measure import Measurement, Side, at_most
from tests.bench.world import World

if TYPE_CHECKING:
    import psutil

SETTLE_IN_SECONDS = 4.0
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
STATEMENTS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s"
"""Every statement of a dispatcher is a separate transaction."""


def idle(world: World) -> dict[str, float]:
    """Return percent of a core, for the dispatcher (supervisor and worker) and its PostgreSQL backends, and statements per second."""
    import psutil  # needs the extra `bench`, while the list of measurements does not

    with world.database(world.migrated) as url:
        name = url.rsplit("/", 1)[1]
        with psycopg.connect(world.url, autocommit=True) as connection:  # another database, so that it does not count

            def ask(query: str) -> list[int]:
                return [row[0] for row in connection.execute(query, (name,))]

            connection.execute("SET stats_fetch_consistency = none")
            # Autovacuum's transactions would count for the database, but are not the dispatcher's.
            connection.execute("ALTER SYSTEM SET autovacuum = off")
            connection.execute("SELECT pg_reload_conf()")
            with psycopg.connect(url, autocommit=True) as other:
                other.execute("UPDATE outbox.destination SET paused = false")
            with processes.dispatching(world, url) as dispatcher:
                processes.wait_until_ready(dispatcher)
                time.sleep(SETTLE_IN_SECONDS)
                daemon = processes.family(dispatcher.process.pid)
                served = [psutil.Process(pid) for pid in ask(BACKENDS)]
                before = _seconds(daemon), _seconds(served), ask(STATEMENTS)[0]
                began = time.monotonic()
                time.sleep(world.plan.idle)
                after = _seconds(daemon), _seconds(served), ask(STATEMENTS)[0]
                passed = time.monotonic() - began
            connection.execute("ALTER SYSTEM RESET autovacuum")
            connection.execute("SELECT pg_reload_conf()")
    daemon_seconds, server_seconds, statements = (then - now for now, then in zip(before, after, strict=True))
    return {
        "daemon": 100 * daemon_seconds / passed,
        "server": 100 * server_seconds / passed,
        "statements": statements / passed,
    }


def _seconds(running: list[psutil.Process]) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in running if one.is_running())


@contextmanager
def _sides(world: World) -> Iterator[Mapping[str, Side]]:
    yield {"idle": lambda: idle(world)}


IDLE = Measurement(
    "idle",
    "a dispatcher with nothing pending: percent of a core (supervisor and worker; PostgreSQL's for it), statements per second",
    "",
    _sides,
    (
        at_most(1, "idle.daemon", "% of a core"),
        at_most(5, "idle.statements", "/s"),
    ),
    "each polling loop runs its own query; PostgreSQL's share is idle.server, without a goal",
)

"""Intake and drains by real dispatchers, and the times at which they begin and end.

Everything is pending before a dispatcher starts. A rate is measured from its first claim, by the database's clock, so the
start of the process does not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from tests.bench import fill
from tests.support.processes import Dispatcher
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    import psutil

    from tests.bench.world import World

LOOK_SECONDS = 0.005
LEFT_SECONDS = 600.0
"""Time limit of an intake."""
READY_SECONDS = 60.0
"""Time limit for the start of a dispatcher."""

CLAIMED = """
SELECT extract(epoch FROM min(claimed_at))::float, count(DISTINCT holder) FROM outbox.lease
WHERE destination IS NOT DISTINCT FROM %s::smallint
"""
SENT = """
SELECT count(*), extract(epoch FROM max(at))::float
FROM outbox.receipt JOIN outbox.destination ON destination.id = receipt.destination
WHERE name = %s AND revision = 0 AND outcome = 'delivered'
"""
INTAKE_LEFT = """
SELECT EXISTS (SELECT FROM (SELECT event_id FROM outbox.intake ORDER BY event_id DESC LIMIT 1) AS last)
    OR EXISTS (SELECT FROM outbox.lease WHERE destination IS NULL)
"""
"""Reads the queue from the end that is claimed last, so that it does not scan the dead rows of earlier claims."""


@contextmanager
def dispatching(world: World, url: str) -> Iterator[Dispatcher]:
    """Start `outbox dispatch`; stop it at the end, so that it returns its leases."""
    dispatcher = Dispatcher(
        {
            "OUTBOX_DATABASE_URL": url,
            "META_CAPI_TOKEN": "bench",
            "META_CAPI_BASE_URL": world.sink.url,
            "GA4_API_SECRET": "bench",
            "GA4_MP_BASE_URL": world.sink.url,
        },
        "--port",
        "0",
    )
    try:
        yield dispatcher
        wait_until_ready(dispatcher)  # while starting, it would not handle the signal
        dispatcher.process.terminate()
        dispatcher.wait()
    finally:
        dispatcher.kill()


def family(process: int) -> list[psutil.Process]:
    """Give a dispatcher's processes: the supervisor and its workers."""
    import psutil  # only where the extra `bench` is installed, while every measurement can be named without

    supervisor = psutil.Process(process)
    return [supervisor, *supervisor.children(recursive=True)]


def wait_until_ready(dispatcher: Dispatcher) -> None:
    """Wait until a dispatcher has started to work."""
    wait_until(lambda: dispatcher.logged("metrics are served") or _has_ended(dispatcher), READY_SECONDS)


def run_intake(world: World, url: str) -> float:
    """Run intake of the held events in a dispatcher, and nothing else; return events per second."""
    with psycopg.connect(url, autocommit=True) as connection:
        fill.enqueue_intake(connection)
        (events,) = _one(connection, "SELECT count(*) FROM outbox.intake")
        with dispatching(world, url) as dispatcher:
            seconds = _until_intake_is_done(connection, dispatcher)
    return float(events) / seconds


def run_more_intake(world: World, url: str, names: Iterable[str]) -> None:
    """Record the held events once more for each name, for other persons, and run their intake in a dispatcher."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name in names:
            fill.record_again(connection, name)
        with dispatching(world, url) as dispatcher:
            _until_intake_is_done(connection, dispatcher)
        connection.execute("VACUUM (ANALYZE) outbox.intake, outbox.delivery, outbox.lease")
        connection.execute("CHECKPOINT")


def drain(
    world: World,
    url: str,
    destination: str,
    events: int,
    *,
    dispatchers: int = 1,
    latency: float = 0.0,
    look: Callable[[int], object] = bool,
) -> float:
    """Deliver to one destination with dispatchers; return events per second, up to `events` or the plan's longest time.

    Measured from the moment when the last of them has claimed to the moment when the sink has received the last event. All
    other events of that time are claimed, resolved, built, sent and settled in it. `look` is called repeatedly with the
    last dispatcher's process id.
    """
    world.sink.begin(latency=latency)
    with ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        number = _switch(connection, destination, paused=False)
        started = [stack.enter_context(dispatching(world, url)) for _ in range(dispatchers)]
        began = _begun(connection, number, started)
        before = world.sink.ask("count", destination=destination, at=began)
        while not (ended := world.sink.ask("reached", destination=destination, events=events)):
            if time.time() > began + world.plan.longest:
                ended = time.time()
                events = world.sink.ask("count", destination=destination, at=ended)
                break
            look(started[-1].process.pid)
            time.sleep(0.05)
        _switch(connection, destination, paused=True)
    return float((events - before) / (ended - began))


def together(world: World, url: str, destination: str, events: int) -> float:
    """Run intake of the held events and their delivery to one destination; return events per second.

    Measured from the first claim of intake to the moment when the last event was sent. Events that are sent again in the
    meantime, because a later event of their person enriched them, are extra work and do not count.
    """
    world.sink.begin()
    with psycopg.connect(url, autocommit=True) as connection:
        _switch(connection, destination, paused=False)
        fill.enqueue_intake(connection)
        with dispatching(world, url) as dispatcher:
            began = _begun(connection, None, [dispatcher])
            while not (ended := _sent(world, connection, destination, events)):
                if time.time() > began + LEFT_SECONDS:
                    raise TimeoutError("the events do not all arrive")
                time.sleep(0.1)
    return events / (ended - began)


def delivered(url: str, destination: str) -> int:
    """Return how many deliveries were settled as delivered."""
    with psycopg.connect(url) as connection:
        (count,) = _one(
            connection,
            """
            SELECT count(*) FROM outbox.receipt JOIN outbox.destination ON destination.id = receipt.destination
            WHERE name = %s AND outcome = 'delivered'
            """,
            destination,
        )
    return int(count)


def _until_intake_is_done(connection: psycopg.Connection[Any], dispatcher: Dispatcher) -> float:
    """Wait until the intake queue is empty; return the seconds since the first claim."""
    began = _begun(connection, None, [dispatcher])
    while _one(connection, INTAKE_LEFT)[0]:
        if time.time() > began + LEFT_SECONDS:
            raise TimeoutError("intake does not come to its end")
        time.sleep(0.02)
    return time.time() - began


def _begun(connection: psycopg.Connection[Any], destination: int | None, dispatchers: Sequence[Dispatcher]) -> float:
    """Wait until all dispatchers have claimed for a destination (None: for intake); return when the last did (Unix seconds)."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        claimed_at, holders = _one(connection, CLAIMED, destination)
        if holders == len(dispatchers):
            return float(claimed_at) if holders == 1 else time.time()
        if any(_has_ended(one) for one in dispatchers):
            break
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"a dispatcher does not begin; it ended: {[one.process.poll() for one in dispatchers]}")


def _sent(world: World, connection: psycopg.Connection[Any], destination: str, events: int) -> float | None:
    """Return when the last of `events` was sent, or None until all of them are settled."""
    if world.sink.events(destination) < events:  # much cheaper than the query
        return None
    count, last = _one(connection, SENT, destination)
    return float(last) if count == events else None


def _has_ended(dispatcher: Dispatcher) -> bool:
    return dispatcher.process.poll() is not None


def _switch(connection: psycopg.Connection[Any], destination: str, *, paused: bool) -> int:
    """Pause a destination, or resume it; return its id."""
    query = "UPDATE outbox.destination SET paused = %s WHERE name = %s RETURNING id"
    return int(_one(connection, query, paused, destination)[0])


def _one(connection: psycopg.Connection[Any], query: str, *parameters: Any) -> tuple[Any, ...]:
    found = connection.execute(query, parameters or None).fetchone()
    assert found
    return tuple(found)

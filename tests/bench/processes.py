"""Intake and drains by real dispatchers, and the moments at which they begin and end.

Everything is owed before a dispatcher starts. A rate counts from its first claim, by the database's clock, so starting
it is in none.
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
"""How long an intake may take."""
READY_SECONDS = 60.0
"""How long a dispatcher may take to start."""

CLAIMED = """
SELECT extract(epoch FROM min(claimed_at))::float, count(DISTINCT holder) FROM outbox.lease WHERE coalesce(destination, 0) = %s
"""
SENT = """
SELECT count(*), extract(epoch FROM max(at))::float
FROM outbox.receipt JOIN outbox.destination ON destination.id = receipt.destination
WHERE name = %s AND revision = 0 AND outcome = 'delivered'
"""
OWES_INTAKE = """
SELECT EXISTS (SELECT FROM (SELECT event_id FROM outbox.intake ORDER BY event_id DESC LIMIT 1) AS last)
    OR EXISTS (SELECT FROM outbox.lease WHERE destination IS NULL)
"""
"""From the end that is claimed last, so that what was claimed and is dead is not walked over."""


@contextmanager
def dispatching(world: World, url: str) -> Iterator[Dispatcher]:
    """Start `outbox dispatch`; afterwards it stops and gives back what it holds."""
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
        wait_until_ready(dispatcher)  # one that is still starting would not hear the signal
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
    """Wait until a dispatcher is at work."""
    wait_until(lambda: dispatcher.said("metrics are served") or _has_ended(dispatcher), READY_SECONDS)


def take_in(world: World, url: str) -> float:
    """Let a dispatcher take in the events that were put aside, nothing else; give events a second."""
    with psycopg.connect(url, autocommit=True) as connection:
        fill.owe_intake(connection)
        (events,) = _one(connection, "SELECT count(*) FROM outbox.intake")
        with dispatching(world, url) as dispatcher:
            seconds = _until_taken_in(connection, dispatcher)
    return float(events) / seconds


def take_in_more(world: World, url: str, names: Iterable[str]) -> None:
    """Record the events that were put aside once more for each name, for other persons, and let a dispatcher take them in."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name in names:
            fill.record_again(connection, name)
        with dispatching(world, url) as dispatcher:
            _until_taken_in(connection, dispatcher)
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
    """Let dispatchers deliver to one destination; give events a second, up to `events` or the plan's longest time.

    From the moment when the last of them has claimed to the moment when the sink has taken the last event. All others of
    that time are claimed, resolved, built, sent and settled in it. `look` is called now and then with the last dispatcher's process id.
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
    """Let a dispatcher take in what was put aside and deliver it to one destination; give events a second.

    From the first claim of intake to the moment when the last event was sent. What is sent again meanwhile, because a later
    event of its person tells more, is work that is done beside, and no event.
    """
    world.sink.begin()
    with psycopg.connect(url, autocommit=True) as connection:
        _switch(connection, destination, paused=False)
        fill.owe_intake(connection)
        with dispatching(world, url) as dispatcher:
            began = _begun(connection, 0, [dispatcher])
            while not (ended := _sent(world, connection, destination, events)):
                if time.time() > began + LEFT_SECONDS:
                    raise TimeoutError("the events do not all arrive")
                time.sleep(0.1)
    return events / (ended - began)


def delivered(url: str, destination: str) -> int:
    """How many deliveries were settled as delivered, whoever looks again."""
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


def _until_taken_in(connection: psycopg.Connection[Any], dispatcher: Dispatcher) -> float:
    """Wait until no event owes intake; give the seconds since the first claim."""
    began = _begun(connection, 0, [dispatcher])
    while _one(connection, OWES_INTAKE)[0]:
        if time.time() > began + LEFT_SECONDS:
            raise TimeoutError("intake does not come to its end")
        time.sleep(0.02)
    return time.time() - began


def _begun(connection: psycopg.Connection[Any], destination: int, dispatchers: Sequence[Dispatcher]) -> float:
    """Wait until all of some dispatchers have claimed; give when the last of them did (Unix seconds)."""
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
    """When the last of so many events was sent, once all of them are settled."""
    if world.sink.events(destination) < events:  # much cheaper to ask
        return None
    count, last = _one(connection, SENT, destination)
    return float(last) if count == events else None


def _has_ended(dispatcher: Dispatcher) -> bool:
    return dispatcher.process.poll() is not None


def _switch(connection: psycopg.Connection[Any], destination: str, *, paused: bool) -> int:
    """Pause a destination, or resume it; give its number."""
    query = "UPDATE outbox.destination SET paused = %s WHERE name = %s RETURNING id"
    return int(_one(connection, query, paused, destination)[0])


def _one(connection: psycopg.Connection[Any], query: str, *parameters: Any) -> tuple[Any, ...]:
    found = connection.execute(query, parameters or None).fetchone()
    assert found
    return tuple(found)

"""One run: start everything, disrupt it, let it recover, and collect the evidence."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import psycopg

from dispatcher.database import embedded_postgres, migrations
from tests.faults.chaos import plan as planned
from tests.faults.chaos.crm import Crm
from tests.faults.chaos.evidence import Evidence, Incident
from tests.faults.chaos.plan import Disruption, Plan, disruptions
from tests.faults.chaos.processes import Dispatcher, Fleet, Sandbox, postgres
from tests.support.clock import Clock

DRAIN_SECONDS = 180
LOOK_SECONDS = 0.1
LEAP_SECONDS = 15
CLAIMED_SECONDS = 5

LEFT = """
SELECT (SELECT count(*) FROM outbox.intake) + (SELECT count(*) FROM outbox.lease), count(*),
       extract(epoch FROM min(due_at) - outbox.clock())
FROM (SELECT due_at FROM outbox.delivery UNION ALL SELECT due_at FROM outbox.merge) AS pending
"""
"""The number in progress, the number queued, and the seconds until the first of these is due."""
HELD = "SELECT count(*) FROM outbox.lease WHERE holder = ANY (%s)"
CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'outbox-dispatch%'
"""


async def chaos(plan: Plan, report: Callable[[str], None] = lambda _: None) -> Evidence:
    """Carry out a plan in its own folder; return the evidence."""
    with _folder() as folder:
        server = postgres(folder, plan)
        try:
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(migrations.upgrade, server.url)
            async with Sandbox.running() as sandbox:
                return await Run(plan, folder, server, sandbox, report).carry_out()
        finally:
            if server.is_running():
                server.stop("immediate")


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="outbox-chaos-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


class Run:
    """A plan in execution."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        server: embedded_postgres.EmbeddedServer,
        sandbox: Sandbox,
        report: Callable[[str], None],
    ) -> None:
        self.plan = plan
        self.url = server.url
        self.server = server
        self.sandbox = sandbox
        self.report = report
        self.fleet = Fleet(plan, self.url, sandbox, folder)
        self.crm = Crm(plan, self.url)
        self.incidents: list[Incident] = []
        self.rng = random.Random(plan.seed + 1)
        self.restarting = asyncio.Lock()

    async def carry_out(self) -> Evidence:
        """Run from the first start to the last stop."""
        await self.ask("CREATE TABLE sale (event_id text PRIMARY KEY)")
        await self.sandbox.follow(planned.faults({}, self.plan.seed))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.fleet.kill)
            stack.callback(self.crm.stop)
            self.fleet.start()
            await self.wait_for(lambda: len(self.fleet.at_work) == self.plan.dispatchers, 120)
            began = time.time()
            self.report(f"{self.plan.dispatchers} dispatchers are working; starting {self.plan.seconds:.0f} s of chaos")
            writers = [asyncio.to_thread(self.crm.write, writer) for writer in ("sql", "python")]
            await asyncio.gather(self.disrupt(), *writers)
            calm_at = time.time()
            self.report("chaos ended; delivering what is pending")
            await self.sandbox.follow(planned.faults({}, self.plan.seed))
            with suppress(TimeoutError):  # what is left then breaks a promise
                await self.drain()
            drained_at = time.time()
            # A dispatcher that got SIGTERM at the last moment has ended by then, and been replaced.
            await self.wait_for(lambda: len(self.fleet.at_work) == self.plan.dispatchers, 120)
            unresponsive = [name for one in self.fleet.at_work if (name := await self.unresponsiveness(one))]
            await self.fleet.stop()
            return await Evidence.gather(
                self, began=began, calm_at=calm_at, drained_at=drained_at, unresponsive=unresponsive
            )

    async def disrupt(self) -> None:
        """Cause every planned disruption at its time, and wait for their effects to end."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as effects:
            for disruption in disruptions(self.plan):
                await asyncio.sleep(max(0.0, began + disruption.at - time.monotonic()))
                effects.create_task(self.apply(disruption))

    async def apply(self, disruption: Disruption) -> None:
        """Cause one disruption."""
        match disruption.kind:
            case "kill" | "worker":
                await self.kill(disruption.kind)
            case "terminate":
                if at_work := self.fleet.at_work:
                    self.incidents.append(Incident("terminate", time.time()))
                    self.rng.choice(at_work).send(signal.SIGTERM)
            case "cut":
                self.incidents.append(Incident("cut", time.time()))
                await self.ask(CUT)
            case "restart" | "crash":
                await self.restart(disruption.kind)
            case "fault_set":
                assert disruption.fault_set
                await self.sandbox.follow(disruption.fault_set)

    async def kill(self, kind: str) -> None:
        """Kill a working dispatcher or its worker, preferably one with a lease; measure when its deliveries are back."""
        holders: list[str] = []
        if not self.restarting.locked():
            holders = [holder for (holder,) in await self.ask("SELECT DISTINCT holder FROM outbox.lease")]
        at_work = self.fleet.at_work
        if not at_work:  # on a slow machine all may still be starting
            return
        busy = [one for one in at_work if any(f":{one.process.pid}:" in holder for holder in holders)]
        victim = self.rng.choice(busy or at_work)
        incident = Incident(kind, time.time())
        if kind == "kill":
            victim.send(signal.SIGKILL)
        elif not victim.kill_worker():
            return
        self.incidents.append(incident)
        # The worker that replaces another has another name, with its supervisor's process id as well.
        held = [holder for holder in holders if f":{victim.process.pid}:" in holder]
        while (await self.ask(HELD, (held,)))[0][0]:
            incident.held = True
            incident.back_at = time.time()
            await asyncio.sleep(LOOK_SECONDS)

    async def restart(self, kind: str) -> None:
        """Stop PostgreSQL, wait up to two seconds, and start it again."""
        async with self.restarting:
            incident = Incident(kind, time.time())
            await asyncio.to_thread(self.server.stop, "fast" if kind == "restart" else "immediate")
            await asyncio.sleep(self.rng.uniform(0, 2))
            await asyncio.to_thread(self.server.start)
            incident.over_at = time.time()
            self.incidents.append(incident)

    async def drain(self) -> None:
        """Wait until nothing is pending. If everything pending waits for a later try, move the clock on to that."""
        async with asyncio.timeout(DRAIN_SECONDS):
            with psycopg.connect(self.url, autocommit=True) as connection:
                clock = Clock(connection)
                while True:
                    ((under_way, queued, wait),) = await self.ask(LEFT)
                    if not (under_way or queued):
                        return
                    if not under_way and wait > 0:
                        clock.move(seconds=float(wait) + LEAP_SECONDS)
                    await asyncio.sleep(LOOK_SECONDS)

    async def unresponsiveness(self, one: Dispatcher) -> str | None:
        """Return a description of a dispatcher that is running but claims nothing, or None if it is fine.

        An idle one asks for work every 15 s, for each destination at a different time.
        """
        awake: set[str] = set()
        async with aiohttp.ClientSession() as http:
            for _ in range(200):
                async with http.get(f"{one.health}/readyz") as answer:
                    ready = await answer.json()
                running = {name: state for name, state in ready["destinations"].items() if state["state"] == "running"}
                awake |= {name for name, state in running.items() if is_awake(state)}
                if ready["destinations"] and ready["database"]["reachable"] and running.keys() <= awake:
                    return None
                await asyncio.sleep(LOOK_SECONDS)
        return f"{one.log.name}: {ready}"

    async def ask(self, query: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Query the database, and repeat until it answers."""
        async with asyncio.timeout(60):
            while True:
                try:
                    return await asyncio.to_thread(self._ask, query, parameters)
                except psycopg.OperationalError:
                    await asyncio.sleep(LOOK_SECONDS)

    def _ask(self, query: str, parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5, application_name="chaos") as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    async def wait_for(self, condition: Callable[[], Any], seconds: float) -> None:
        """Wait until a condition holds."""
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(LOOK_SECONDS)


def is_awake(state: dict[str, Any]) -> bool:
    """Return whether work for a running destination was claimed within the last seconds."""
    return state["last_claim_seconds"] is not None and state["last_claim_seconds"] < CLAIMED_SECONDS

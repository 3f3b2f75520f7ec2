"""One run: everything is started, struck, left in peace, and asked what became of it."""

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
from tests.faults.chaos.evidence import Evidence, Struck
from tests.faults.chaos.plan import Blow, Plan, blows
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
"""What is under way, what is queued, and in how many seconds the first of it is due."""
HELD = "SELECT count(*) FROM outbox.lease WHERE holder = ANY (%s)"
CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'outbox-dispatch%'
"""


async def chaos(plan: Plan, say: Callable[[str], None] = lambda _: None) -> Evidence:
    """Carry out a plan in a folder of its own; give what is known afterwards."""
    with _folder() as folder:
        server = postgres(folder, plan)
        try:
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(migrations.upgrade, server.url)
            async with Sandbox.running() as sandbox:
                return await Run(plan, folder, server, sandbox, say).carry_out()
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
    """A plan, while it is carried out."""

    def __init__(
        self, plan: Plan, folder: Path, server: embedded_postgres.Server, sandbox: Sandbox, say: Callable[[str], None]
    ) -> None:
        self.plan = plan
        self.url = server.url
        self.server = server
        self.sandbox = sandbox
        self.say = say
        self.fleet = Fleet(plan, self.url, sandbox, folder)
        self.crm = Crm(plan, self.url)
        self.struck: list[Struck] = []
        self.lots = random.Random(plan.seed + 1)
        self.restarting = asyncio.Lock()

    async def carry_out(self) -> Evidence:
        """From the first start to the last stop."""
        await self.ask("CREATE TABLE sale (event_id text PRIMARY KEY)")
        await self.sandbox.follow(planned.faults({}, self.plan.seed))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.fleet.kill)
            stack.callback(self.crm.stop)
            self.fleet.start()
            await self.wait_for(lambda: len(self.fleet.at_work) == self.plan.dispatchers, 120)
            began = time.time()
            self.say(f"{self.plan.dispatchers} dispatchers at work; {self.plan.seconds:.0f} s of chaos begin")
            writers = [asyncio.to_thread(self.crm.write, writer) for writer in ("sql", "python")]
            await asyncio.gather(self.strike(), *writers)
            calm_at = time.time()
            self.say("calm; what is owed is delivered")
            await self.sandbox.follow(planned.faults({}, self.plan.seed))
            with suppress(TimeoutError):  # what is left then is for the verdict
                await self.drain()
            drained_at = time.time()
            # Who was told to stop in the last moment has ended by then, and been replaced.
            await self.wait_for(lambda: len(self.fleet.at_work) == self.plan.dispatchers, 120)
            deaf = [name for one in self.fleet.at_work if (name := await self.deafness(one))]
            await self.fleet.stop()
            return await Evidence.gather(self, began=began, calm_at=calm_at, drained_at=drained_at, deaf=deaf)

    async def strike(self) -> None:
        """Do everything that is planned, at its time, and wait for what it leaves behind."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as effects:
            for blow in blows(self.plan):
                await asyncio.sleep(max(0.0, began + blow.at - time.monotonic()))
                effects.create_task(self.fall(blow))

    async def fall(self, blow: Blow) -> None:
        """Let one blow fall."""
        match blow.kind:
            case "kill" | "worker":
                await self.kill(blow.kind)
            case "terminate":
                if at_work := self.fleet.at_work:
                    self.struck.append(Struck("terminate", time.time()))
                    self.lots.choice(at_work).send(signal.SIGTERM)
            case "cut":
                self.struck.append(Struck("cut", time.time()))
                await self.ask(CUT)
            case "restart" | "crash":
                await self.restart(blow.kind)
            case "weather":
                assert blow.weather
                await self.sandbox.follow(blow.weather)

    async def kill(self, kind: str) -> None:
        """Kill a dispatcher at work or its worker, one that holds a lease if there is one; see when its work is back."""
        holders: list[str] = []
        if not self.restarting.locked():
            holders = [holder for (holder,) in await self.ask("SELECT DISTINCT holder FROM outbox.lease")]
        at_work = self.fleet.at_work
        if not at_work:  # on a slow machine all may still be starting
            return
        busy = [one for one in at_work if any(f":{one.process.pid}:" in holder for holder in holders)]
        victim = self.lots.choice(busy or at_work)
        struck = Struck(kind, time.time())
        if kind == "kill":
            victim.send(signal.SIGKILL)
        elif not victim.kill_worker():
            return
        self.struck.append(struck)
        # The worker that replaces another has another name, with its supervisor's process id as well.
        held = [holder for holder in holders if f":{victim.process.pid}:" in holder]
        while (await self.ask(HELD, (held,)))[0][0]:
            struck.held = True
            struck.back_at = time.time()
            await asyncio.sleep(LOOK_SECONDS)

    async def restart(self, kind: str) -> None:
        """Stop PostgreSQL, leave it down for a moment, start it."""
        async with self.restarting:
            struck = Struck(kind, time.time())
            await asyncio.to_thread(self.server.stop, "fast" if kind == "restart" else "immediate")
            await asyncio.sleep(self.lots.uniform(0, 2))
            await asyncio.to_thread(self.server.start)
            struck.over_at = time.time()
            self.struck.append(struck)

    async def drain(self) -> None:
        """Wait until nothing is owed; where all that is owed waits for a later try, move the clock on to that."""
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

    async def deafness(self, one: Dispatcher) -> str | None:
        """Say what is wrong with a dispatcher that looks alive and takes nothing.

        One with nothing to do asks for work every 15 s, for each destination at a time of its own.
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
        """Ask the database, for as long as it takes until it answers."""
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
    """Tell whether a destination that runs was asked for work just now."""
    return state["last_claim_seconds"] is not None and state["last_claim_seconds"] < CLAIMED_SECONDS

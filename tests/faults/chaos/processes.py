"""The processes of a run: PostgreSQL, the sandbox, and dispatchers that are restarted whenever one ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from dispatcher.database import embedded_postgres
from tests.faults.chaos.plan import GA4_SECRET, LEASE_SECONDS, META_TOKEN, Plan
from tests.support.paths import ROOT
from tests.support.ports import settled_port
from tests.support.processes import children

OUTBOX = Path(sys.executable).with_name("outbox")


def postgres(folder: Path, plan: Plan) -> embedded_postgres.EmbeddedServer:
    """Return a server whose address stays the same after a restart."""
    home = folder / "postgres"
    home.mkdir(mode=0o755)
    return embedded_postgres.EmbeddedServer(home, options={} if plan.fsync else {"fsync": "off"}, port=settled_port())


class Sandbox:
    """The sandbox, in a process of its own."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Sandbox]:
        """Start the sandbox, and stop it at the end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "dispatcher.sandbox", "--port", "0", cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout
            line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
            async with aiohttp.ClientSession() as http:
                yield cls(line.split()[-1], http)
        finally:
            process.terminate()
            await process.wait()

    async def follow(self, plans: dict[str, dict[str, Any]]) -> None:
        """Make both destinations fail according to these plans from now on."""
        async with self._http.put(f"{self.url}/faults", json=plans) as answer:
            assert answer.status == 200, await answer.text()

    async def read(self, path: str) -> Any:
        """Read JSON."""
        async with self._http.get(self.url + path) as answer:
            return await answer.json()

    async def lines(self, path: str) -> list[list[Any]]:
        """Read JSON lines."""
        async with self._http.get(self.url + path) as answer:
            return [json.loads(line) for line in (await answer.text()).splitlines()]


@dataclass(eq=False)
class Dispatcher:
    """One `outbox dispatch`: its log, the signals sent to it, and its exit."""

    process: asyncio.subprocess.Process
    log: Path
    signals: list[signal.Signals] = field(default_factory=list)
    signalled_at: float = 0
    stopped_in: float = 0
    code: int | None = None

    @classmethod
    async def start(cls, environment: dict[str, str], log: Path) -> Dispatcher:
        """Start a dispatcher that logs to a file."""
        with log.open("w") as file:
            process = await asyncio.create_subprocess_exec(
                *(OUTBOX, "dispatch", "--port", "0"),
                cwd=log.parent,
                env=environment,
                stderr=file,
                start_new_session=True,
            )
        return cls(process, log)

    @property
    def health(self) -> str | None:
        """The address of its health endpoints; None until it has started to work."""
        for line in self.log.read_text().splitlines():
            if "metrics are served" in line:
                return str(json.loads(line)["address"])
        return None

    def send(self, number: signal.Signals) -> None:
        """Send a signal if the process is still running; SIGKILL to its workers too."""
        if self.process.returncode is None:
            self.signals.append(number)
            self.signalled_at = time.time()
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)

    def kill_worker(self) -> bool:
        """Kill one of its workers; False if none is there."""
        with suppress(ProcessLookupError):
            for worker in children(self.process.pid):
                os.kill(worker, signal.SIGKILL)
                return True
        return False

    async def wait(self) -> None:
        """Wait for the process to end."""
        self.code = await self.process.wait()
        self.stopped_in = time.time() - self.signalled_at if self.signals else 0


class Fleet:
    """A number of concurrent dispatchers. One that ends is replaced, as by a supervisor."""

    def __init__(self, plan: Plan, database_url: str, sandbox: Sandbox, folder: Path) -> None:
        self.ended: list[Dispatcher] = []
        self.living: list[Dispatcher] = []
        self._size = plan.dispatchers
        self._folder = folder
        self._started = 0
        self._keepers: list[asyncio.Task[None]] = []
        self._is_closing = False
        self._environment = {
            "PATH": os.environ["PATH"],
            "OUTBOX_DATABASE_URL": database_url,
            "OUTBOX_LEASE_SECONDS": str(LEASE_SECONDS),
            "META_CAPI_TOKEN": META_TOKEN,
            "META_CAPI_BASE_URL": sandbox.url,
            "GA4_API_SECRET": GA4_SECRET,
            "GA4_MP_BASE_URL": sandbox.url,
        }

    @property
    def at_work(self) -> list[Dispatcher]:
        """The dispatchers that have begun to deliver and got no signal."""
        return [one for one in self.living if not one.signals and one.health]

    def start(self) -> None:
        """Start all dispatchers."""
        self._keepers = [asyncio.create_task(self._keep()) for _ in range(self._size)]

    async def _keep(self) -> None:
        while not self._is_closing:
            self._started += 1
            one = await Dispatcher.start(self._environment, self._folder / f"dispatcher-{self._started:03}.log")
            self.living.append(one)
            await one.wait()
            self.living.remove(one)
            self.ended.append(one)

    async def stop(self) -> None:
        """Stop all dispatchers, and wait until they have ended."""
        self._is_closing = True
        for one in self.living:
            one.send(signal.SIGTERM)
        await asyncio.wait(self._keepers, timeout=40)

    async def kill(self) -> None:
        """Kill the remaining dispatchers."""
        self._is_closing = True
        for one in self.living:
            one.send(signal.SIGKILL)
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

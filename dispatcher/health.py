"""Whether the daemon does its work: `/healthz` and `/readyz` on its own port, telling the truth.

`/healthz` is 200 while every loop of the process moves, and 503 when one hangs (restart it). `/readyz` is 200 when the
database answers and every enabled destination takes deliveries, else 503, with the reasons; both as JSON.
`/metrics` stands beside them, see `dispatcher.metrics`, and `/` is the console, see `dispatcher.console`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import msgspec
from aiohttp import web

from dispatcher import console, metrics
from dispatcher.circuit import State
from dispatcher.daemon import Daemon
from dispatcher.database import AWAY, STATEMENT_TIMEOUT

HUNG_SECONDS = STATEMENT_TIMEOUT + 30.0
ANSWER_SECONDS = 3.0


@asynccontextmanager
async def listening(daemon: Daemon, host: str, port: int) -> AsyncIterator[str]:
    """Serve health on `host`:`port` (0 chooses one); give its address."""
    health = Health(daemon)
    app = web.Application()
    gauges = metrics.Gauges(daemon.database, fresh=daemon.schedule.term)
    app.add_routes(
        [
            web.get("/healthz", health.healthz),
            web.get("/readyz", health.readyz),
            web.get("/metrics", metrics.Exposition(gauges).answer),
        ]
    )
    console.add_to(app, daemon.database_url, daemon.settings, daemon.config)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Health:
    """The two answers."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    async def healthz(self, _: web.Request) -> web.Response:
        """Tell whether every loop moves."""
        database = self._daemon.database
        # While the database is away, loops wait for it: then it counts that somebody asks for it.
        moved = self._daemon.moved_at if database.reachable else {"database": database.tried_at}
        hung = sorted(name for name, at in moved.items() if monotonic() - at > HUNG_SECONDS)
        return _answer({"healthy": not hung, "hung": hung}, not hung)

    async def readyz(self, _: web.Request) -> web.Response:
        """Tell whether conversions arrive, and if not, why."""
        reasons: list[str] = []
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                ages = dict(await self._daemon.database.run_once("oldest_owed"))
        except (*AWAY, TimeoutError):
            ages = {}
            reasons.append("the database does not answer")
        destinations = {}
        for sender in self._daemon.senders:
            state = sender.state()
            age = ages.get(state.destination)
            claimed = None if sender.claimed_at is None else round(monotonic() - sender.claimed_at, 1)
            destinations[sender.destination.name] = {
                "state": state.state,
                "reason": state.reason,
                "oldest_owed_seconds": age and round(age, 1),
                "last_claim_seconds": claimed,
            }
            # A destination that failed is found well again by the next delivery: with nothing owed, nothing is wrong.
            if state.state == State.HALTED or (state.state == State.FAILING and age is not None):
                reasons.append(f"{sender.destination.name} is {state.state}: {state.reason}")
        body = {
            "ready": not reasons,
            "reasons": reasons,
            "database": {"reachable": bool(ages)},
            "intake": {"oldest_owed_seconds": ages.get(0) and round(ages[0], 1)},
            "destinations": destinations,
        }
        return _answer(body, not reasons)


def _answer(body: dict[str, Any], is_well: bool) -> web.Response:
    status = 200 if is_well else 503
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")

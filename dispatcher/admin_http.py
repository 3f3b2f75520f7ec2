"""The daemon's own port: `/healthz`, `/readyz`, `/metrics`, and the console.

`/healthz` is 200 while every loop of the process moves, and 503 when one hangs (restart it). `/readyz` is 200 when the
database answers and every enabled destination takes deliveries, else 503, with the reasons; both as JSON.
`/metrics` stands beside them, see `dispatcher.monitoring.metrics_endpoint`, and `/` is the console, see `dispatcher.console`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import msgspec
from aiohttp import web

from dispatcher import console
from dispatcher.daemon import Daemon
from dispatcher.database.connections import DATABASE_UNAVAILABLE, STATEMENT_TIMEOUT
from dispatcher.delivery.circuit_breaker import State
from dispatcher.delivery.sender import Sender
from dispatcher.monitoring.destination_status import DestinationStatus, destination_statuses
from dispatcher.monitoring.gauges import Gauges
from dispatcher.monitoring.metrics_endpoint import MetricsEndpoint

HUNG_SECONDS = STATEMENT_TIMEOUT + 30.0
ANSWER_SECONDS = 3.0


@asynccontextmanager
async def listening(daemon: Daemon, host: str, port: int) -> AsyncIterator[str]:
    """Serve the port on `host`:`port` (0 chooses one); yield its address."""
    health = Health(daemon)
    app = web.Application()
    gauges = Gauges(daemon.database, fresh=daemon.schedule.term)
    app.add_routes(
        [
            web.get("/healthz", health.healthz),
            web.get("/readyz", health.readyz),
            web.get("/metrics", MetricsEndpoint(gauges).answer),
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
    """The health endpoints."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    async def healthz(self, _: web.Request) -> web.Response:
        """Answer 200 while every loop moves."""
        database = self._daemon.database
        # While the database is away, loops wait for it: then it counts that somebody asks for it.
        moved = self._daemon.moved_at if database.reachable else {"database": database.tried_at}
        hung = sorted(name for name, at in moved.items() if monotonic() - at > HUNG_SECONDS)
        return _answer({"healthy": not hung, "hung": hung}, not hung)

    async def readyz(self, _: web.Request) -> web.Response:
        """Answer 200 while conversions arrive, else 503 with the reasons."""
        reasons: list[str] = []
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                fresh = {"fresh": self._daemon.schedule.term}
                known = destination_statuses(await self._daemon.database.run_once("read_destination_status", fresh))
        except (*DATABASE_UNAVAILABLE, TimeoutError):
            known = {}
            reasons.append("the database does not answer")
        destinations = {}
        for sender in self._daemon.senders:
            state, reason = _state(sender, known)
            status = known.get(sender.state().destination)
            claimed = None if sender.claimed_at is None else round(monotonic() - sender.claimed_at, 1)
            destinations[sender.destination.name] = {
                "state": state,
                "reason": reason,
                "oldest_pending_seconds": _rounded(status.age.longest if status else None),
                "last_claim_seconds": claimed,
            }
            if state in {State.HALTED, State.FAILING}:
                reasons.append(f"{sender.destination.name} is {state}: {reason}")
        body = {
            "ready": not reasons,
            "reasons": reasons,
            "database": {"reachable": bool(known)},
            "intake": {"oldest_pending_seconds": _rounded(known[0].age.longest if known else None)},
            "destinations": destinations,
        }
        return _answer(body, not reasons)


def _state(sender: Sender, known: Mapping[int, DestinationStatus]) -> tuple[str, str | None]:
    """Return the state of a destination, and why: the state that all dispatchers report takes precedence over our own.

    We may have had nothing to send since another dispatcher succeeded. But a setting that is missing here is missing.
    """
    own = sender.state()
    status = known.get(own.destination)
    if sender.destination.missing() or status is None or status.state is None:
        return own.state, own.reason
    return status.state, status.reason


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _answer(body: dict[str, Any], is_ok: bool) -> web.Response:
    code = 200 if is_ok else 503
    return web.Response(body=msgspec.json.encode(body), status=code, content_type="application/json")

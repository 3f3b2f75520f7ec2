"""The daemon's own port: `/healthz`, `/readyz`, `/metrics`, and the console.

`/healthz` is 200 while every loop of the process makes progress, and 503 when one hangs (restart it). `/readyz` is 200 when
the database answers and every enabled destination takes deliveries, else 503, with the reasons; both as JSON. `/metrics` is
in `dispatcher.monitoring.metrics_endpoint`; `/` is the console (`dispatcher.console`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from math import inf
from typing import Any

import msgspec
from aiohttp import web

from dispatcher import console
from dispatcher.database.connections import DATABASE_UNAVAILABLE
from dispatcher.delivery.circuit_breaker import CircuitState
from dispatcher.http_server import Runner
from dispatcher.monitoring.destination_status import DestinationStatus, destination_statuses
from dispatcher.monitoring.gauges import Gauges
from dispatcher.monitoring.metrics_endpoint import MetricsEndpoint
from dispatcher.reports import Dispatching, SenderReport, WorkerReport
from dispatcher.request_headers import bounded_headers

ANSWER_SECONDS = 3.0


@asynccontextmanager
async def listening(dispatching: Dispatching, host: str, port: int) -> AsyncIterator[str]:
    """Serve the port on `host`:`port` (0 chooses one); yield its address."""
    health = Health(dispatching)
    app = web.Application(middlewares=[bounded_headers])
    gauges = Gauges(dispatching.database, fresh=timedelta(seconds=dispatching.fresh_seconds))
    app.add_routes(
        [
            web.get("/healthz", health.healthz),
            web.get("/readyz", health.readyz),
            web.get("/metrics", MetricsEndpoint(gauges, dispatching.samples).answer),
        ]
    )
    console.add_to(app, dispatching.database_url, dispatching.settings, dispatching.config)
    runner = Runner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Health:
    """The health endpoints."""

    def __init__(self, dispatching: Dispatching) -> None:
        self._dispatching = dispatching

    async def healthz(self, _: web.Request) -> web.Response:
        """Answer 200 while every loop of every process makes progress."""
        hung = sorted({name for report in self._dispatching.reports() for name in report.hung})
        return _answer({"healthy": not hung, "hung": hung}, not hung)

    async def readyz(self, _: web.Request) -> web.Response:
        """Answer 200 while conversions arrive, else 503 with the reasons."""
        reasons: list[str] = []
        reports = self._dispatching.reports()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                params = {"fresh": timedelta(seconds=self._dispatching.fresh_seconds)}
                known = destination_statuses(
                    await self._dispatching.database.run_once("read_destination_status", params)
                )
        except (*DATABASE_UNAVAILABLE, TimeoutError):
            known = {}
            reasons.append("the database does not answer")
        if not reports:
            reasons.append("no worker runs yet")
        destinations = {}
        for sender in _latest(reports):
            state, reason = _state(sender, known)
            status = known.get(sender.destination)
            destinations[sender.name] = {
                "state": state,
                "reason": reason,
                "oldest_pending_seconds": _rounded(status.age.longest if status else None),
                "last_claim_seconds": sender.claimed_ago,
            }
            if state in {CircuitState.HALTED, CircuitState.FAILING}:
                reasons.append(f"{sender.name} is {state}: {reason}")
        body = {
            "ready": not reasons,
            "reasons": reasons,
            "database": {"reachable": bool(known)},
            "intake": {"oldest_pending_seconds": _rounded(known[0].age.longest if known else None)},
            "destinations": destinations,
        }
        return _answer(body, not reasons)


def _latest(reports: Iterable[WorkerReport]) -> list[SenderReport]:
    """Return one report for each destination, from the process that claimed last."""
    latest: dict[str, SenderReport] = {}
    for report in reports:
        for sender in report.senders:
            known = latest.get(sender.name)
            if known is None or (sender.claimed_ago or inf) < (known.claimed_ago or inf):
                latest[sender.name] = sender
    return list(latest.values())


def _state(sender: SenderReport, known: Mapping[int, DestinationStatus]) -> tuple[str, str | None]:
    """Return the state of a destination, and why: what all dispatchers report, unless a setting is missing here.

    These processes alone may have sent nothing since another one found the destination healthy.
    """
    status = known.get(sender.destination)
    if sender.is_missing or status is None or status.state is None:
        return sender.state, sender.reason
    return status.state, status.reason


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _answer(body: dict[str, Any], is_ok: bool) -> web.Response:
    status = 200 if is_ok else 503
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")

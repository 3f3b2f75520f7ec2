"""procrastinate doing the same work, as its documentation advises: asynchronous tasks, jobs deferred in batches, fifty at
once, done jobs deleted. Each job's argument is the prepared body of one request: no identity resolution, no building.

    python -m tests.bench.peers.procrastinate DATABASE_URL ADDRESS BODIES      prints jobs per second
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import aiohttp
import procrastinate

REQUESTS = 50
DEFERRED_AT_ONCE = 1000


async def run(url: str, address: str, bodies: list[str]) -> float:
    """Defer a job for each body, then process all of them; return jobs per second of the latter."""
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
    times: list[float] = []
    async with app.open_async(), aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=REQUESTS)) as session:
        await app.schema_manager.apply_schema_async()

        @app.task(name="send")
        async def send(body: str) -> None:
            times.append(time.perf_counter())
            async with session.post(address, data=body, headers={"Content-Type": "application/json"}) as answer:
                await answer.read()
                assert answer.status < 300
            times.append(time.perf_counter())

        for start in range(0, len(bodies), DEFERRED_AT_ONCE):
            await send.batch_defer_async(*({"body": body} for body in bodies[start : start + DEFERRED_AT_ONCE]))
        await app.run_worker_async(
            concurrency=REQUESTS, wait=False, listen_notify=False, delete_jobs="always", install_signal_handlers=False
        )
    return len(bodies) / (max(times) - min(times))


if __name__ == "__main__":
    found = asyncio.run(run(sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_text(encoding="utf-8").splitlines()))
    sys.stdout.write(f"{found}\n")

"""pgqueuer doing the same work, as its documentation advises: asyncpg, one connection for the manager, `pgq autovac`'s
settings, uvloop, a large batch. Each job's payload is the prepared body of one request: no identity resolution, no building.

    python -m tests.bench.peers.pgqueuer DATABASE_URL ADDRESS BODIES      prints jobs per second
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path

import aiohttp
import asyncpg
import uvloop
from pgqueuer import AsyncpgDriver, Job, PgQueuer, Queries
from pgqueuer.types import QueueExecutionMode

BATCH = 25
REQUESTS = 50
ENQUEUED_AT_ONCE = 5000


async def run(url: str, address: str, bodies: list[bytes]) -> float:
    """Enqueue a job for each body, then process all of them; return jobs per second of the latter."""
    connection = await asyncpg.connect(url)
    queries = Queries(AsyncpgDriver(connection))
    await queries.install()
    await queries.optimize_autovacuum()
    for start in range(0, len(bodies), ENQUEUED_AT_ONCE):
        some = bodies[start : start + ENQUEUED_AT_ONCE]
        await queries.enqueue(["send"] * len(some), list(some), [0] * len(some))
    await connection.execute("VACUUM ANALYZE")
    manager = PgQueuer(AsyncpgDriver(connection))
    times: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=REQUESTS)) as session:

        @manager.entrypoint("send")
        async def send(job: Job) -> None:
            times.append(time.perf_counter())
            async with session.post(address, data=job.payload, headers={"Content-Type": "application/json"}) as answer:
                await answer.read()
                assert answer.status < 300
            times.append(time.perf_counter())

        # Measured from the first job's beginning to the last one's end: the manager's start and shutdown do not count.
        await manager.run(batch_size=BATCH, mode=QueueExecutionMode.drain, dequeue_timeout=timedelta(seconds=1))
    await connection.close()
    return len(bodies) / (max(times) - min(times))


if __name__ == "__main__":
    found = uvloop.run(run(sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_bytes().splitlines()))
    sys.stdout.write(f"{found}\n")

"""An aiohttp client that posts prepared bodies as fast as it can: the upper limit.

python -m tests.bench.bare_client ADDRESS BODIES      prints requests a second
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from yarl import URL

CONCURRENCY = 50
"""The number of concurrent requests at which such a client is fastest; our sender's number has other reasons."""


async def run(address: str, bodies: list[bytes]) -> float:
    """Post every body; return requests per second."""
    left = iter(bodies)
    url = URL(address)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY)) as session:

        async def post(mine: Iterator[bytes]) -> None:
            for body in mine:
                async with session.post(url, data=body, headers=headers) as answer:
                    await answer.read()
                    assert answer.status < 300

        began = time.perf_counter()
        await asyncio.gather(*(post(left) for _ in range(CONCURRENCY)))
        return len(bodies) / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(run(sys.argv[1], Path(sys.argv[2]).read_bytes().splitlines()))}\n")

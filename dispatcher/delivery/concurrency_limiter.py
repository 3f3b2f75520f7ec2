"""How many requests to one destination may be in flight at once.

As many as one process can send while the fastest response is on its way back. A near destination needs few, and more would
only slow each other down; one that is 100 ms away needs hundreds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

Item = TypeVar("Item")

FEWEST = 50
RATE = 10000
"""Requests a second that one process can make."""
RECENT = 200
"""Response times that are remembered; the limit is recomputed after every tenth of this number."""


class ConcurrencyLimiter:
    """Runs work concurrently, first come, first served; `answered` records how long a request took.

    Never more than `most` at once. A worker continues while there is work from any caller: one task for each request would
    cost a good part of what the request itself does.
    """

    def __init__(self, most: int) -> None:
        self.limit = min(FEWEST, most)
        self._most = most
        self._waiting: deque[tuple[_Work, Any]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._responses = 0

    async def each(self, do: Callable[[Item], Coroutine[Any, Any, None]], items: Collection[Item]) -> None:
        """Call `do` with each item; return when all are done. Raise the first exception of any of them, then."""
        if items:
            work = _Work(do, len(items))
            self._waiting.extend((work, item) for item in items)
            self._start_worker()
            await work.done

    def cancel(self) -> None:
        """Cancel what is running; what waits still gets its turn."""
        for worker in self._workers:
            worker.cancel()

    @property
    def is_far(self) -> bool:
        """Return whether the limit is above the minimum, so that many requests are in flight at once."""
        return self.limit > min(FEWEST, self._most)

    def answered(self, seconds: float) -> None:
        """Record how long a response took, in seconds."""
        self._recent.append(seconds)
        self._responses += 1
        if self._responses % (RECENT // 10) == 0:
            self.limit = max(min(FEWEST, self._most), min(self._most, int(RATE * min(self._recent))))
            self._start_worker()

    def _start_worker(self) -> None:
        if self._waiting and len(self._workers) < self.limit:
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._worker_done)

    def _worker_done(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._start_worker()

    async def _work(self) -> None:
        while self._waiting and len(self._workers) <= self.limit:
            work, item = self._waiting.popleft()
            self._start_worker()
            error = None
            try:
                await work.do(item)
            except Exception as raised:  # noqa: BLE001 - raised to the caller of `each`
                error = raised
            finally:
                work.ended(error)


class _Work:
    """One call of `each`: what to do, and how many items are left; `done` is set when none is."""

    def __init__(self, do: Callable[[Any], Coroutine[Any, Any, None]], left: int) -> None:
        self.do = do
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = left
        self._error: Exception | None = None

    def ended(self, error: Exception | None) -> None:
        """Record that one item is done."""
        self._left -= 1
        self._error = self._error or error
        if self._left or self.done.done():
            return
        if self._error:
            self.done.set_exception(self._error)
        else:
            self.done.set_result(None)

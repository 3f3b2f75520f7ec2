"""How many requests to one destination may be in flight at once.

As many as one process can send while the fastest response is on its way back. A near destination needs few, and more would
only slow each other down; one that is 100 ms away needs hundreds. A request without a response for longer than that takes no
place any more: a few that hang do not stop the rest.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

Item = TypeVar("Item")

FEWEST = 50
RATE = 10000
"""Requests a second that one process can make."""
SLOW_SECONDS = 1.0
"""After so long without a response, a request only counts towards the destination's maximum."""
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
        self._numbers = itertools.count()
        self._begun: dict[int, float] = {}
        """When what is under way began, the oldest first, as far as it is not slow."""
        self._slow: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._responses = 0

    async def each(
        self,
        do: Callable[[Item], Coroutine[Any, Any, None]],
        items: Collection[Item],
        on_begun: Callable[[], object] = lambda: None,
    ) -> None:
        """Call `do` with each item; return when all are done. Raise the first exception of any of them, then.

        `on_begun` is called when none of them waits for its turn any more.
        """
        if items:
            work = _Work(do, len(items), on_begun)
            self._waiting.extend((work, item) for item in items)
            self._start_worker()
            await work.done

    def cancel(self) -> None:
        """Cancel what is running; what waits still gets its turn."""
        for worker in self._workers:
            worker.cancel()

    def answered(self, seconds: float) -> None:
        """Record how long a response took, in seconds."""
        self._recent.append(seconds)
        self._responses += 1
        if self._responses % (RECENT // 10) == 0:
            self.limit = max(min(FEWEST, self._most), min(self._most, int(RATE * min(self._recent))))
            self._start_worker()

    def _start_worker(self) -> None:
        if not self._waiting:
            return
        if self._has_room(1):
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._worker_done)
        elif self._timer is None and len(self._workers) < self._most:  # some of them may hang
            self._timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._look)

    def _look(self) -> None:
        """Give the places of slow work to other work."""
        self._timer = None
        until = asyncio.get_running_loop().time() - SLOW_SECONDS
        for number in [number for number, began in self._begun.items() if began <= until]:
            del self._begun[number]
            self._slow.add(number)
        self._start_worker()

    def _has_room(self, more: int) -> bool:
        """Return whether so many workers more may run."""
        return len(self._workers) - len(self._slow) + more <= self.limit and len(self._workers) + more <= self._most

    def _worker_done(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._start_worker()

    async def _work(self) -> None:
        time = asyncio.get_running_loop().time
        while self._waiting and self._has_room(0):
            work, item = self._waiting.popleft()
            work.begin()
            self._start_worker()
            number = next(self._numbers)
            self._begun[number] = time()
            error = None
            try:
                await work.do(item)
            except Exception as raised:  # noqa: BLE001 - raised to the caller of `each`
                error = raised
            finally:
                if self._begun.pop(number, None) is None:
                    self._slow.discard(number)
                work.ended(error)


class _Work:
    """One call of `each`: what to do, and how many items are left; `done` is set when none is."""

    def __init__(
        self, do: Callable[[Any], Coroutine[Any, Any, None]], left: int, on_begun: Callable[[], object]
    ) -> None:
        self.do = do
        self._on_begun = on_begun
        self._unbegun = left
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = left
        self._error: Exception | None = None

    def begin(self) -> None:
        """Record that the turn of one item has come."""
        self._unbegun -= 1
        if not self._unbegun:
            self._on_begun()

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

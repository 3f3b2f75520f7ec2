"""How many requests to one destination may be under way at once.

As many as go out while the fastest answer comes back, at the rate that one process can make: a near destination needs
few, and more would only get in each other's way; one that is 100 ms away needs hundreds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

Thing = TypeVar("Thing")

FEWEST = 50
RATE = 10000
"""Requests a second that one process can make."""
RECENT = 200
"""Answers that are remembered; the number is looked at anew after every tenth of them."""


class ConcurrencyLimiter:
    """Does work beside each other, first come, first served; `answered` tells how long a request took.

    Never more than `most` at once. A worker goes on as long as there is work, whoever it is for: a task for each request
    would cost a good part of what the request does.
    """

    def __init__(self, most: int) -> None:
        self.limit = min(FEWEST, most)
        self._most = most
        self._waiting: deque[tuple[_Work, Any]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._answers = 0

    async def each(self, do: Callable[[Thing], Coroutine[Any, Any, None]], things: Collection[Thing]) -> None:
        """Do it with each; return when all is done. If something went wrong with one, it is raised then."""
        if things:
            work = _Work(do, len(things))
            self._waiting.extend((work, thing) for thing in things)
            self._hire()
            await work.done

    def cancel(self) -> None:
        """Cut off what is under way; what waits comes to its turn."""
        for worker in self._workers:
            worker.cancel()

    @property
    def is_far(self) -> bool:
        """Tell whether more than the fewest are let through, so many are on their way at once."""
        return self.limit > min(FEWEST, self._most)

    def answered(self, seconds: float) -> None:
        """Take note of how long an answer took."""
        self._recent.append(seconds)
        self._answers += 1
        if self._answers % (RECENT // 10) == 0:
            self.limit = max(min(FEWEST, self._most), min(self._most, int(RATE * min(self._recent))))
            self._hire()

    def _hire(self) -> None:
        if self._waiting and len(self._workers) < self.limit:
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._left)

    def _left(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._hire()

    async def _work(self) -> None:
        while self._waiting and len(self._workers) <= self.limit:
            work, thing = self._waiting.popleft()
            self._hire()
            error = None
            try:
                await work.do(thing)
            except Exception as raised:  # noqa: BLE001 - it is told to who wanted it done
                error = raised
            finally:
                work.ended(error)


class _Work:
    """What is to be done with how many things yet; `done` is set when it is none."""

    def __init__(self, do: Callable[[Any], Coroutine[Any, Any, None]], left: int) -> None:
        self.do = do
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = left
        self._error: Exception | None = None

    def ended(self, error: Exception | None) -> None:
        """Take note that it is done with one."""
        self._left -= 1
        self._error = self._error or error
        if self._left or self.done.done():
            return
        if self._error:
            self.done.set_exception(self._error)
        else:
            self.done.set_result(None)

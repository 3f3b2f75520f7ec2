"""How many requests to one destination may be under way at once.

As many as go out while the fastest answer comes back, at the rate that one process can make: a near destination needs
few, and more would only get in each other's way; one that is 100 ms away needs hundreds.
"""

from __future__ import annotations

import asyncio
from collections import deque

FEWEST = 50
RATE = 10000
"""Requests a second that one process can make."""
RECENT = 200
"""Answers that are remembered; the number is looked at anew after every tenth of them."""


class Concurrency:
    """`async with concurrency:` around requests, one after another; `answered` tells how long one took.

    Never more than `most` are beside each other.
    """

    def __init__(self, most: int) -> None:
        self.limit = min(FEWEST, most)
        self._most = most
        self._slots = self.limit
        self._free = asyncio.Semaphore(self.limit)
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._answers = 0

    @property
    def has_room(self) -> bool:
        """Tell whether one more would not have to wait."""
        return not self._free.locked()

    async def __aenter__(self) -> None:
        await self._free.acquire()

    async def __aexit__(self, *_: object) -> None:
        if self._slots > self.limit:
            self._slots -= 1
        else:
            self._free.release()

    def answered(self, seconds: float) -> None:
        """Take note of how long an answer took."""
        self._recent.append(seconds)
        self._answers += 1
        if self._answers % (RECENT // 10) == 0:
            self.limit = max(min(FEWEST, self._most), min(self._most, int(RATE * min(self._recent))))
            while self._slots < self.limit:
                self._slots += 1
                self._free.release()

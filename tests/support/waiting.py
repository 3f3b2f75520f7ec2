"""Wait for a condition instead of a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until `condition` holds; fail if it does not within `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def wait_until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Wait like `until`, in a thread without an event loop."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not become true in time"
        time.sleep(0.01)

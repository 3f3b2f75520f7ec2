"""The low watermark of a queue: where its claims begin, so that no claim walks over dead rows of earlier ones.

A row can appear a little behind the last claim: its id is drawn, or its time set, before its transaction commits. So the
watermark stays some slack behind the last row claimed. For rows that appear later still, it rewinds to the beginning
every minute, and soon after a claim that found nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from time import monotonic
from typing import Generic, TypeVar

REWIND_SECONDS = 60.0
"""How often claims start at the beginning again."""
IDLE_REWIND_SECONDS = 1.0
"""The same after a claim that found nothing."""

P = TypeVar("P", int, datetime)
Claim = TypeVar("Claim")


class Watermark(Generic[P]):
    """A position in the order of a queue: an id or a time. `behind` returns the position some slack before another."""

    def __init__(self, beginning: P, behind: Callable[[P], P]) -> None:
        self._beginning: P = beginning
        self._behind: Callable[[P], P] = behind
        self._rewound_at = monotonic()
        self.position: P = beginning

    def advance(self, latest: P) -> None:
        """Move to some slack before the `latest` row that was claimed."""
        self.position = max(self.position, self._behind(latest))

    async def claim(self, claim_from: Callable[[P], Awaitable[Claim | None]]) -> Claim | None:
        """Return what `claim_from` finds from the watermark on, or from the beginning if that is nothing."""
        self._rewind(REWIND_SECONDS)
        found = await claim_from(self.position)
        if found is None and self._rewind(IDLE_REWIND_SECONDS):
            found = await claim_from(self.position)
        return found

    def _rewind(self, after_seconds: float) -> bool:
        if self.position == self._beginning or monotonic() - self._rewound_at < after_seconds:
            return False
        self.position = self._beginning
        self._rewound_at = monotonic()
        return True

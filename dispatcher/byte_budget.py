"""Claims bounded in bytes, not only in number: events of 64 kB come in claims of some sixty, small ones in full batches."""

from __future__ import annotations

from collections.abc import Sequence

CLAIM_BYTES = 4_000_000
"""About as much as one claim may hold, in characters of its JSON."""
FIRST_ROWS = 250
"""Rows of the first claim, before the size of any is known."""


class ByteBudget:
    """How many rows the next claim of one queue may hold, by the size of those in the last one."""

    def __init__(self) -> None:
        self._rows = FIRST_ROWS

    def limit(self, most: int) -> int:
        """Return how many rows may be claimed, at least one and at most `most`."""
        return min(most, self._rows)

    def claimed(self, rows: int, content: Sequence[str]) -> None:
        """Note a claim of so many rows, and its texts."""
        self._rows = max(1, CLAIM_BYTES * rows // max(1, sum(map(len, content))))

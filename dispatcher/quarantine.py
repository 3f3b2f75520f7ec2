"""Quarantine: a batch that took its worker down is retried in smaller and smaller parts, until the event at fault is alone.

             batch of 1000 ──lost──▶ parts of 125 ──lost──▶ 16 ──lost──▶ 2 ──lost──▶ 1 ──lost──▶ failed: cannot be processed
    losses        0                      1                  2             3           4            5

A batch is lost when its worker dies or hangs while its code processes that batch (the supervisor reads this in
`dispatcher.in_flight`), or when processing it raises an error that is not the database's. The parts of one queue are processed
one after the other, those with the most losses first, and the rest of that queue goes on. The count is kept in the queues, so
restarts change nothing. Merges are counted in the same way by their claims. An expired lease adds a loss too, but never the
last one: nobody saw what happened.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import psycopg

PARTS = (125, 16, 2, 1)
"""The most rows in a part after 1, 2, 3 and 4 losses."""
GIVEN_UP = len(PARTS) + 1
"""After so many losses a row is not processed again."""
RUN = 3
"""The most rows that are given up without a success in between; after that, the cause is hardly the events."""
RUN_SECONDS = 60.0
"""How long nothing more is given up after that."""


def part(losses: int, most: int) -> int:
    """Return the most rows that may be processed at once after `losses`; `most`: without any."""
    return min(most, PARTS[min(losses, len(PARTS)) - 1]) if losses else most


def is_events_doing(error: BaseException) -> bool:
    """Return True if an error in processing a batch may have been caused by an event in it."""
    # Class 42, a missing right, table or column, is never one event's doing: the batch waits, and comes back as it was.
    return isinstance(error, Exception) and not isinstance(error, psycopg.ProgrammingError)


class Judge:
    """Decides whether a row that took down its workers may be given up; one for each queue and process."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._in_a_row = 0
        self._held_until = 0.0

    def succeeded(self) -> None:
        """Note that a batch was processed without an error."""
        self._in_a_row = 0

    def may_give_up(self) -> bool:
        """Return whether the next row may be given up, and count it if so."""
        if self._in_a_row >= RUN:
            if self._clock() < self._held_until:
                return False
            self._in_a_row = 0
        self._in_a_row += 1
        if self._in_a_row == RUN:
            self._held_until = self._clock() + RUN_SECONDS
        return True

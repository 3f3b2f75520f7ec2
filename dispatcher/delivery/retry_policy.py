"""When to retry: exponential backoff with jitter, and a last try before the window closes. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

FIRST = timedelta(seconds=2)
LONGEST = timedelta(hours=1)
LAST_CALL = timedelta(minutes=1)


def backoff(tries: int, jitter: float) -> timedelta:
    """Return the pause after the `tries`-th failure in a row (from 1); `jitter` in [0, 1) spreads it by half either way."""
    doubled: timedelta = FIRST * 2 ** min(tries - 1, 20)
    return min(doubled, LONGEST) * (0.5 + jitter)


def next_try(now: datetime, pause: timedelta, deadline: datetime) -> datetime:
    """Return when to retry: after `pause`, but at the latest a minute before `deadline`, if that is still to come."""
    due = now + pause
    last_call = deadline - LAST_CALL
    if due > last_call > now:
        return last_call
    return due

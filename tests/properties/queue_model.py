"""What the queues promise, said once more in plain Python: what is pending, who holds it, how it ended, what was tried."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from dispatcher.destinations.base import Limits
from dispatcher.models import Settlement


class Key(NamedTuple):
    """What is pending; of intake, destination and revision are 0."""

    event: int
    destination: int = 0
    revision: int = 0


class Tried(NamedTuple):
    """What travels with a delivery."""

    tries: int = 0
    first_unknown_at: datetime | None = None


class Pending(NamedTuple):
    """A row of a queue; intake is due at once. `losses`: how often workers were lost over it."""

    tried: Tried = Tried()
    due_at: datetime | None = None
    losses: int = 0


class Held(NamedTuple):
    """A lease; all its rows had the same losses."""

    destination: int
    losses: int
    holder: str
    claimed_at: datetime
    expires_at: datetime
    rows: dict[Key, Tried]


class Receipt(NamedTuple):
    """The end of a delivery."""

    outcome: str
    tries: int
    at: datetime


class Attempt(NamedTuple):
    """A try that did not end a delivery."""

    outcome: str
    at: datetime


@dataclass
class Model:
    """The queues, leases and logs as they should be."""

    now: datetime
    occurred_at: dict[int, datetime] = field(default_factory=dict)
    queue: dict[Key, Pending] = field(default_factory=dict)
    leases: dict[int, Held] = field(default_factory=dict)
    receipts: dict[Key, Receipt] = field(default_factory=dict)
    resent: set[tuple[int, int]] = field(default_factory=set)
    attempts: dict[tuple[Key, int], Attempt] = field(default_factory=dict)
    raw: set[int] = field(default_factory=set)

    def record(self, event: int, *, is_raw: bool) -> None:
        """An event was recorded; a second time changes nothing."""
        if event not in self.occurred_at:
            self.occurred_at[event] = self.now
            self.queue[Key(event)] = Pending()
            if is_raw:
                self.raw.add(event)

    def due(self, destination: int, losses: int | None = 0) -> set[Key]:
        """What may be claimed together; `losses` None: whatever was lost over it."""
        return {
            key
            for key, pending in self.queue.items()
            if key.destination == destination
            and (pending.due_at is None or pending.due_at <= self.now)
            and losses in {None, pending.losses}
        }

    def suspects(self, destination: int) -> int:
        """The most losses of what is due."""
        return max((self.queue[key].losses for key in self.due(destination, None)), default=0)

    def claim(self, lease: int, holder: str, destination: int, keys: Iterable[Key], held_for: timedelta) -> None:
        """A holder took rows with the same losses out of the queue into a lease."""
        pending = {key: self.queue.pop(key) for key in keys}
        (losses,) = {row.losses for row in pending.values()}
        rows = {key: row.tried for key, row in pending.items()}
        self.leases[lease] = Held(destination, losses, holder, self.now, self.now + held_for, rows)

    def extend(self, lease: int, held_for: timedelta) -> bool:
        """A holder prolongs its lease; False: it is not there any more."""
        if lease not in self.leases:
            return False
        self.leases[lease] = self.leases[lease]._replace(expires_at=self.now + held_for)
        return True

    def take_in(self, lease: int, destinations: Iterable[int], skipped: set[int]) -> int:
        """An intake lease is settled: each event is pending for each destination, or skipped."""
        if lease not in self.leases:
            return 0
        held = self.leases.pop(lease)
        for event, *_ in held.rows:
            self.raw.discard(event)
            for destination in destinations:
                key = Key(event, destination)
                if event in skipped:
                    self.receipts[key] = Receipt("skipped", 0, self.now)
                else:
                    self.queue[key] = Pending(due_at=held.claimed_at)
        return len(held.rows)

    def settle(self, lease: int, holder: str, settlements: Iterable[Settlement]) -> int:
        """What a lease holds is settled, by its holder only; give how many settlements took effect."""
        held = self.leases.get(lease)
        if held is None or held.holder != holder:
            return 0
        settled = 0
        for told in settlements:
            key = Key(told.event_id, held.destination, told.revision)
            if key in held.rows:
                settled += 1
                self._settle(key, held.rows.pop(key), told)
        if not held.rows:
            del self.leases[lease]
        return settled

    def _settle(self, key: Key, tried: Tried, told: Settlement) -> None:
        if told.due_at is None:
            self.receipts[key] = Receipt(told.outcome, tried.tries + (told.status is not None), self.now)
            return
        if told.outcome != "returned":
            tried = self._attempt(key, tried, told.outcome, told.unknown_at)
        self.queue[key] = Pending(tried, told.due_at)

    def reclaim(self, most: int) -> int:
        """What was held too long is pending again; a delivery may have been made. One more loss, but never above `most`."""
        expired = [lease for lease, held in self.leases.items() if held.expires_at < self.now]
        rows = 0
        for lease in expired:
            held = self.leases.pop(lease)
            rows += len(held.rows)
            losses = max(held.losses, min(held.losses + 1, most))
            for key in held.rows:
                self._put_back(key, held, losses, is_begun=bool(held.destination))
        return rows

    def release(self, lease: int, holder: str, *, is_suspect: bool, begun: set[Key]) -> int:
        """A holder, or the supervisor of a dead one, gives a lease back; only what was begun may have been sent."""
        held = self.leases.get(lease)
        if held is None or held.holder != holder:
            return 0
        del self.leases[lease]
        for key in held.rows:
            self._put_back(key, held, held.losses + is_suspect, is_begun=key in begun)
        return len(held.rows)

    def give_up(self, lease: int, holder: str, destinations: Iterable[int]) -> int:
        """All of a lease ends as failed; of intake at every destination, and its raw persons are forgotten."""
        held = self.leases.get(lease)
        if held is None or held.holder != holder:
            return 0
        del self.leases[lease]
        for key, tried in held.rows.items():
            self.raw.discard(key.event)
            for destination in [held.destination] if held.destination else destinations:
                self.receipts[key._replace(destination=destination)] = Receipt("failed", tried.tries, self.now)
        return len(held.rows)

    def _put_back(self, key: Key, held: Held, losses: int, *, is_begun: bool) -> None:
        tried = held.rows[key]
        if is_begun:
            tried = self._attempt(key, tried, "uncertain", held.claimed_at)
        self.queue[key] = Pending(tried, self.now if held.destination else None, losses)

    def _attempt(self, key: Key, tried: Tried, outcome: str, unknown_at: datetime | None) -> Tried:
        self.attempts[key, tried.tries + 1] = Attempt(outcome, unknown_at or self.now)
        return Tried(tried.tries + 1, tried.first_unknown_at or unknown_at)

    def expire(self, destination: int, limits: Limits) -> int:
        """What is due and too old ends."""
        closed = [key for key in self.due(destination, None) if self._is_closed(key, limits)]
        for key in closed:
            # A re-send that ran out of time is no dead letter: the event was delivered.
            is_resend = key.revision > 0 and (key.event, key.destination) in self.resent
            self.receipts[key] = Receipt(
                "skipped" if is_resend else "failed", self.queue.pop(key).tried.tries, self.now
            )
        return len(closed)

    def _is_closed(self, key: Key, limits: Limits) -> bool:
        unknown_at = self.queue[key].tried.first_unknown_at
        repeats = limits.repeat is not None and unknown_at is not None and unknown_at <= self.now - limits.repeat
        return repeats or self.occurred_at[key.event] <= self.now - limits.window

    def requeue(self, before: datetime) -> int:
        """Dead letters are pending once more."""
        dead = [
            key for key, receipt in self.receipts.items() if receipt.outcome == "failed" and receipt.at < before
        ]  # fmt: skip
        return sum(self.revise(key) for key in dead)

    def revise(self, key: Key) -> bool:
        """A delivery that ended is pending once more, with what is known of its tries, unless it is or was already."""
        revised = key._replace(revision=key.revision + 1)
        if revised in self.places():
            return False
        self.queue[revised] = Pending(Tried(0, self.first_sent_at(key)), self.now)
        return True

    def first_sent_at(self, key: Key) -> datetime | None:
        """When it was delivered first, in any revision, or may have been."""
        delivered = [
            receipt.at
            for sent, receipt in self.receipts.items()
            if sent[:2] == key[:2] and receipt.outcome == "delivered"
        ]
        unknown = [
            attempt.at
            for (tried, _), attempt in self.attempts.items()
            if tried[:2] == key[:2] and attempt.outcome == "uncertain"
        ]
        return min(delivered + unknown, default=None)

    def places(self) -> list[Key]:
        """Everything that is pending, held or ended, as often as it is."""
        held = [key for lease in self.leases.values() for key in lease.rows]
        return [*self.queue, *held, *self.receipts]

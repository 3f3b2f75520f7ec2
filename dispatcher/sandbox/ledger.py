"""What arrived, and how each destination reckons it.

Three things with three lives: *tallies*, one per destination, target, event name and event id, are kept for good (they
are the deduplication, and the proof at the end of a long run); *arrivals*, with their payloads, and *requests*, with
what became of their answers, are kept for the newest `keep`.

A verdict is one of
- `counted`: taken, and it adds to the destination's reports;
- `duplicate`: taken, and dropped as a repeat. Meta: same event_name and event_id at the same pixel, less than 48 h
  after the first, which alone is considered; after that it counts again ("Handling Duplicate Pixel and Conversions API
  Events"). GA4: a `purchase` with a transaction_id seen before ("Minimize duplicate key events with transaction IDs";
  the window is not documented, so it has none here);
- `invalid`: refused (Meta), or taken with a 204 although the rules have something against it (GA4).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any, Literal
from uuid import uuid4

import msgspec

from dispatcher.sandbox.problem import Problem

__all__ = ["Arrival", "Destination", "Ledger", "Offer", "RequestRecord", "Taken", "Tally"]

Destination = Literal["meta", "ga4"]
Verdict = Literal["counted", "duplicate", "invalid"]
Kind = Literal["event", "enrichment", "request"]

META_WINDOW = 48 * 3600
NOTHING = msgspec.Raw(b"null")


class Offer(msgspec.Struct, frozen=True, gc=False):
    """One event as its endpoint understood it, before the ledger gives its verdict.

    `transaction` is what deduplicates instead of the name and the id; `kind` other than `event`: user data without an
    event, or a request that was refused before any event in it was looked at.
    """

    event_name: str
    event_id: str
    payload: msgspec.Raw
    problems: Sequence[Problem] = ()
    transaction: str = ""
    kind: Kind = "event"


class Arrival(msgspec.Struct, gc=False):
    """One event that arrived, as the JSON of `GET /ledger` shows it."""

    seq: int
    at: float
    destination: Destination
    target: str
    request: int
    kind: Kind
    event_name: str
    event_id: str
    verdict: Verdict
    problems: Sequence[Problem]
    fault: str
    acknowledged: bool
    envelope: msgspec.Raw
    payload: msgspec.Raw

    @property
    def event(self) -> Any:
        """The event as it was sent, decoded; None if there was none."""
        return _decoded(self.payload)

    @property
    def around(self) -> Any:
        """What was sent with the event for the whole request, decoded: client_id, user_data … for GA4."""
        return _decoded(self.envelope)


class RequestRecord(msgspec.Struct, gc=False):
    """One request and what became of its answer.

    `accepted`: its events were taken. `acknowledged`: the sender was told the truth about that; accepted and not
    acknowledged is what a sender must call uncertain. `status` 0: no answer. `error`: the code of a refusal.
    """

    seq: int
    at: float
    destination: Destination
    target: str
    fault: str
    events: int = 0
    accepted: bool = False
    acknowledged: bool = True
    status: int = 0
    error: str = ""


class Tally(msgspec.Struct, gc=False):
    """How often one event arrived, how often it counted, how often its sender never learnt that it arrived."""

    received: int = 0
    counted: int = 0
    duplicates: int = 0
    unacknowledged: int = 0
    counted_at: float | None = None


Taken = tuple[Arrival, Tally]
_Tallies = dict[str, dict[str, Tally]]


def _decoded(text: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(text)
    except RecursionError:  # nested as deeply as the request just could be read
        return None


class Ledger:
    """The memory of a sandbox. Not thread-safe: it belongs to one event loop."""

    def __init__(self, keep: int = 10_000) -> None:
        self.arrivals: deque[Arrival] = deque(maxlen=keep)
        self.requests: deque[RequestRecord] = deque(maxlen=keep)
        self.clear()

    def clear(self) -> None:
        """Forget everything, deduplication included. `epoch` tells watchers that sequence numbers began anew."""
        self.epoch = uuid4().hex
        self.arrivals.clear()
        self.requests.clear()
        self._counters: dict[tuple[Destination, str], _Tallies] = {}
        self._sums: dict[tuple[Destination, str], Tally] = {}
        self._transactions: dict[str, dict[str, Tally]] = {}
        self._arrived = 0
        self._requested = 0
        self._outcomes: Counter[tuple[str, str, int, bool, bool, str]] = Counter()

    @property
    def last_seq(self) -> int:
        """The number of the newest arrival; 0 before the first."""
        return self._arrived

    def open(self, destination: Destination, target: str, at: float, fault: str) -> RequestRecord:
        """Begin to record a request; `close` ends it."""
        self._requested += 1
        return RequestRecord(self._requested, at, destination, target, fault)

    def take(self, request: RequestRecord, offers: Sequence[Offer], envelope: msgspec.Raw) -> list[Taken]:
        """Record the events of `request` in their order, each with its verdict and the `envelope` they share."""
        counters = self._counters.setdefault((request.destination, request.target), {})
        return [self._take(request, offer, envelope, counters) for offer in offers]

    def lose(self, request: RequestRecord, taken: Sequence[Taken]) -> None:
        """Note that the sender of `request`, which was taken, did not learn that it was."""
        request.acknowledged = False
        for arrival, tally in taken:
            arrival.acknowledged = False
            tally.unacknowledged += 1

    def close(self, request: RequestRecord) -> None:
        """End the record of a request, when its fate is known."""
        self.requests.append(request)
        self._outcomes[
            request.destination,
            request.fault,
            request.status,
            request.accepted,
            request.acknowledged,
            request.error,
        ] += 1

    def _take(self, request: RequestRecord, offer: Offer, envelope: msgspec.Raw, counters: _Tallies) -> Taken:
        tally = Tally()
        verdict: Verdict = "invalid"
        if offer.kind != "request":  # which is no event, so nothing is counted for it
            tally = counters.setdefault(offer.event_name, {}).setdefault(offer.event_id, tally)
            verdict = self._reckon(request, offer, tally)
            self._add(tally, verdict, request)
            self._add(self._sums.setdefault((request.destination, offer.event_name), Tally()), verdict, request)
        self._arrived += 1
        arrival = Arrival(
            self._arrived,
            request.at,
            request.destination,
            request.target,
            request.seq,
            offer.kind,
            offer.event_name,
            offer.event_id,
            verdict,
            offer.problems,
            request.fault,
            request.acknowledged,
            envelope,
            offer.payload,
        )
        self.arrivals.append(arrival)
        return arrival, tally

    def _reckon(self, request: RequestRecord, offer: Offer, tally: Tally) -> Verdict:
        if any(problem.fatal for problem in offer.problems):
            return "invalid"
        first = self._first(request, offer, tally)
        if first is not None:
            if first.counted_at is not None and self._repeats(request, first.counted_at):
                return "duplicate"
            first.counted_at = request.at
        return "counted"

    @staticmethod
    def _add(tally: Tally, verdict: Verdict, request: RequestRecord) -> None:
        tally.received += 1
        if verdict == "counted":
            tally.counted += 1
        elif verdict == "duplicate":
            tally.duplicates += 1
        if not request.acknowledged:
            tally.unacknowledged += 1

    def _first(self, request: RequestRecord, offer: Offer, tally: Tally) -> Tally | None:
        """Return what remembers the first of the events that `offer` repeats, or None if nothing deduplicates it."""
        if request.destination == "meta":
            return tally if offer.event_id else None
        if offer.transaction:
            return self._transactions.setdefault(request.target, {}).setdefault(offer.transaction, Tally())
        return None

    @staticmethod
    def _repeats(request: RequestRecord, first_at: float) -> bool:
        return request.destination == "ga4" or request.at - first_at < META_WINDOW

    def of(self, destination: Destination) -> list[Arrival]:
        """Return the arrivals at a destination that are still kept, oldest first."""
        return [arrival for arrival in self.arrivals if arrival.destination == destination]

    def counts(self, target: str | None = None) -> Iterator[tuple[Destination, str, str, Tally]]:
        """Yield (destination, event name, event id, tally), for each target or only the one named."""
        for (destination, where), counters in list(self._counters.items()):
            if target is None or target == where:
                for event_name, ids in list(counters.items()):
                    for event_id, tally in list(ids.items()):
                        yield destination, event_name, event_id, tally

    def summary(self) -> dict[Destination, dict[str, dict[str, int]]]:
        """Return for each destination and event name: received = counted + duplicates + invalid."""
        result: dict[Destination, dict[str, dict[str, int]]] = {"meta": {}, "ga4": {}}
        for (destination, event_name), total in sorted(self._sums.items()):
            result[destination][event_name] = {
                "received": total.received,
                "counted": total.counted,
                "duplicates": total.duplicates,
                "invalid": total.received - total.counted - total.duplicates,
            }
        return result

    def outcomes(self) -> list[dict[str, str | int | bool]]:
        """Return how many requests ended in each way."""
        names = ("destination", "fault", "status", "accepted", "acknowledged", "error")
        return [{**dict(zip(names, key, strict=True)), "count": n} for key, n in sorted(self._outcomes.items())]

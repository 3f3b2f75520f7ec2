"""What arrived, and how each destination counts it.

Three records with three lifetimes: *counts*, one per destination, target, event name and event id, are kept for good
(they are the deduplication, and the proof at the end of a long run); of *arrivals*, with their payloads, and *requests*,
with the outcome of their responses, the newest `keep` are kept.

A verdict is one of
- `counted`: accepted, and it adds to the destination's reports;
- `duplicate`: accepted, and dropped as a repeat: how the destination recognises one, its endpoint says with each event;
- `invalid`: refused, or accepted although it violates the rules, where a destination never refuses.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal
from uuid import uuid4

import msgspec

from dispatcher.sandbox.problem import Problem

__all__ = ["Arrival", "Counts", "Ledger", "ParsedEvent", "Recorded", "RequestRecord"]

Verdict = Literal["counted", "duplicate", "invalid"]
Kind = Literal["event", "enrichment", "request"]

NOTHING = msgspec.Raw(b"null")


class ParsedEvent(msgspec.Struct, frozen=True, gc=False):
    """One event as parsed by its endpoint, before the ledger adds its verdict.

    `repeat_seconds`: for how long after the first, which alone is considered, the same name and id at the same target are
    dropped as a repeat; 0: never; None: always. `transaction` replaces the name and id in that. A `kind` other than `event` is user data without an event,
    or a request that was refused before its events were examined.
    """

    event_name: str
    event_id: str
    payload: msgspec.Raw
    problems: Sequence[Problem] = ()
    transaction: str = ""
    repeat_seconds: float | None = 0
    kind: Kind = "event"


class Arrival(msgspec.Struct, gc=False):
    """One event that arrived, in the form of `GET /ledger`."""

    seq: int
    at: float
    destination: str
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
        """The decoded event as it was sent, or None if there was none."""
        return _decoded(self.payload)

    @property
    def shared(self) -> Any:
        """The decoded fields that were sent for the whole request."""
        return _decoded(self.envelope)


class RequestRecord(msgspec.Struct, gc=False):
    """One request and the outcome of its response.

    `accepted`: its events were recorded. `acknowledged`: the response reported that truthfully; for a sender, an accepted
    request that is not acknowledged has an unknown outcome. `status` 0: no response. `error`: the code of a refusal.
    """

    seq: int
    at: float
    destination: str
    target: str
    fault: str
    events: int = 0
    accepted: bool = False
    acknowledged: bool = True
    status: int = 0
    error: str = ""


class Counts(msgspec.Struct, gc=False):
    """How often one event arrived, how often it counted, and how often its sender got no acknowledgement."""

    received: int = 0
    counted: int = 0
    duplicates: int = 0
    unacknowledged: int = 0
    counted_at: float | None = None


Recorded = tuple[Arrival, Counts]
_CountsByEvent = dict[str, dict[str, Counts]]


def _decoded(text: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(text)
    except RecursionError:  # nested too deeply to decode again
        return None


class Ledger:
    """Everything that a sandbox has recorded at `destinations`. Not thread-safe: it belongs to one event loop."""

    def __init__(self, keep: int = 10_000, destinations: Iterable[str] = ()) -> None:
        self._destinations = tuple(destinations)
        self.arrivals: deque[Arrival] = deque(maxlen=keep)
        self.requests: deque[RequestRecord] = deque(maxlen=keep)
        self.clear()

    def clear(self) -> None:
        """Forget everything, including deduplication. A new `epoch` shows that sequence numbers start again."""
        self.epoch = uuid4().hex
        self.arrivals.clear()
        self.requests.clear()
        self._counters: dict[tuple[str, str], _CountsByEvent] = {}
        self._sums: dict[tuple[str, str], Counts] = {}
        self._transactions: dict[tuple[str, str], dict[str, Counts]] = {}
        self._arrived = 0
        self._requested = 0
        self._outcomes: Counter[tuple[str, str, int, bool, bool, str]] = Counter()

    @property
    def last_seq(self) -> int:
        """The number of the newest arrival; 0 before the first."""
        return self._arrived

    def open(self, destination: str, target: str, at: float, fault: str) -> RequestRecord:
        """Begin to record a request; `close` ends it."""
        self._requested += 1
        return RequestRecord(self._requested, at, destination, target, fault)

    def record(
        self, request: RequestRecord, parsed_events: Sequence[ParsedEvent], envelope: msgspec.Raw
    ) -> list[Recorded]:
        """Record the events of `request` in order, each with its verdict and the `envelope` they share."""
        counters = self._counters.setdefault((request.destination, request.target), {})
        return [self._record(request, parsed, envelope, counters) for parsed in parsed_events]

    def mark_unacknowledged(self, request: RequestRecord, recorded: Sequence[Recorded]) -> None:
        """Record that the sender of the accepted `request` got no acknowledgement."""
        request.acknowledged = False
        for arrival, counts in recorded:
            arrival.acknowledged = False
            counts.unacknowledged += 1

    def close(self, request: RequestRecord) -> None:
        """Finish the record of a request when its outcome is known."""
        self.requests.append(request)
        self._outcomes[
            request.destination,
            request.fault,
            request.status,
            request.accepted,
            request.acknowledged,
            request.error,
        ] += 1

    def _record(
        self, request: RequestRecord, parsed: ParsedEvent, envelope: msgspec.Raw, counters: _CountsByEvent
    ) -> Recorded:
        counts = Counts()
        verdict: Verdict = "invalid"
        if parsed.kind != "request":  # a refused request is not an event, so it is not counted
            counts = counters.setdefault(parsed.event_name, {}).setdefault(parsed.event_id, counts)
            verdict = self._verdict(request, parsed, counts)
            self._count(counts, verdict, request)
            self._count(self._sums.setdefault((request.destination, parsed.event_name), Counts()), verdict, request)
        self._arrived += 1
        arrival = Arrival(
            self._arrived,
            request.at,
            request.destination,
            request.target,
            request.seq,
            parsed.kind,
            parsed.event_name,
            parsed.event_id,
            verdict,
            parsed.problems,
            request.fault,
            request.acknowledged,
            envelope,
            parsed.payload,
        )
        self.arrivals.append(arrival)
        return arrival, counts

    def _verdict(self, request: RequestRecord, parsed: ParsedEvent, counts: Counts) -> Verdict:
        if any(problem.fatal for problem in parsed.problems):
            return "invalid"
        first = self._first(request, parsed, counts)
        if first is not None:
            if first.counted_at is not None and _is_repeat(parsed, request.at - first.counted_at):
                return "duplicate"
            first.counted_at = request.at
        return "counted"

    @staticmethod
    def _count(counts: Counts, verdict: Verdict, request: RequestRecord) -> None:
        counts.received += 1
        if verdict == "counted":
            counts.counted += 1
        elif verdict == "duplicate":
            counts.duplicates += 1
        if not request.acknowledged:
            counts.unacknowledged += 1

    def _first(self, request: RequestRecord, parsed: ParsedEvent, counts: Counts) -> Counts | None:
        """Return the counts of the first event that `parsed` may repeat, or None if it is not deduplicated."""
        if parsed.repeat_seconds == 0:
            return None
        if parsed.transaction:
            at_target = self._transactions.setdefault((request.destination, request.target), {})
            return at_target.setdefault(parsed.transaction, Counts())
        return counts

    def of(self, destination: str) -> list[Arrival]:
        """Return the arrivals at a destination that are still kept, oldest first."""
        return [arrival for arrival in self.arrivals if arrival.destination == destination]

    def counts(self, target: str | None = None) -> Iterator[tuple[str, str, str, Counts]]:
        """Yield (destination, event name, event id, counts), for all targets or the one named."""
        for (destination, where), counters in list(self._counters.items()):
            if target is None or target == where:
                for event_name, ids in list(counters.items()):
                    for event_id, counts in list(ids.items()):
                        yield destination, event_name, event_id, counts

    def summary(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return for each destination and event name: received = counted + duplicates + invalid."""
        result: dict[str, dict[str, dict[str, int]]] = {name: {} for name in self._destinations}
        for (destination, event_name), total in sorted(self._sums.items()):
            result.setdefault(destination, {})[event_name] = {
                "received": total.received,
                "counted": total.counted,
                "duplicates": total.duplicates,
                "invalid": total.received - total.counted - total.duplicates,
            }
        return result

    def outcomes(self) -> list[dict[str, str | int | bool]]:
        """Return the number of requests with each outcome."""
        names = ("destination", "fault", "status", "accepted", "acknowledged", "error")
        return [{**dict(zip(names, key, strict=True)), "count": n} for key, n in sorted(self._outcomes.items())]


def _is_repeat(parsed: ParsedEvent, seconds: float) -> bool:
    """Return whether an event `seconds` after the first is dropped."""
    return parsed.repeat_seconds is None or seconds < parsed.repeat_seconds

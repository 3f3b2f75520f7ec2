"""The promises, each with the evidence that breaks it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.faults.chaos.crm import SILENT
from tests.faults.chaos.evidence import WORKER_DIED, Evidence, Place
from tests.faults.chaos.plan import is_rejected

DESTINATIONS = ("meta", "ga4")
GRACE_SECONDS = 25


class Promise(NamedTuple):
    """One promise, and a line for each violation."""

    says: str
    broken: list[str]


def check(seen: Evidence) -> list[Promise]:
    """Check the evidence against every promise."""
    return [
        Promise("every committed conversion is in the log, once, with its sale", list(_unrecorded(seen))),
        Promise("nothing that was rolled back is in the log or was sent", list(_not_rolled_back(seen))),
        Promise("every conversion, and every re-send, has its receipt at every destination", list(_lost(seen))),
        Promise("nothing is stuck in a queue or a lease", [f"{t}: {n}" for t, n in seen.left.items() if n]),
        Promise("Meta counts nothing twice", list(_counted_twice(seen))),
        Promise("every delivery with the outcome delivered was accepted", list(_not_taken(seen))),
        Promise("an event has the outcome failed if, and only if, it was refused", list(_wrongly_failed(seen))),
        Promise(
            "an event is only sent again by a re-send, or after an uncertain attempt in the log", list(_repeated(seen))
        ),
        Promise("a lost response leaves an uncertain attempt", list(_lost_silently(seen))),
        Promise("no delivery is settled twice, and no try is missing", list(_settled_twice(seen))),
        Promise("a dispatcher ends in time after SIGTERM, and never otherwise", list(_wrong_ends(seen))),
        Promise("no worker dies except by a disruption", list(_wrong_deaths(seen))),
        Promise("no dispatcher runs without claiming work", seen.unresponsive),
        Promise("nothing but the disruptions fails", [*seen.logs.wrong, *map(str, seen.server_errors.items())]),
        Promise("no log contains a secret or personal data", seen.logs.leaks),
    ]


def ga4_doubles(seen: Evidence) -> tuple[int, int]:
    """Return how many repeats GA4 counted, and how many it dropped (of a purchase, by its transaction_id)."""
    taken = [seen.ledger[event, "ga4"] for event in seen.kept if (event, "ga4") in seen.ledger]
    return sum(counted - 1 for _, counted in taken), sum(received - counted for received, counted in taken)


def meta_repeats(seen: Evidence) -> int:
    """Return how many repeats Meta dropped, apart from the intended re-sends."""
    return sum(max(0, _taken(seen, (event, "meta")) - 1 - seen.revisions[event, "meta"]) for event in seen.kept)


def uncertain(seen: Evidence, place: Place) -> int:
    """Return how many attempts of unknown outcome are in the log."""
    return sum(attempt.outcome == "uncertain" for attempt in seen.attempts.get(place, ()))


def _taken(seen: Evidence, place: Place) -> int:
    """Return how often a destination accepted an event, counted or not; 0 for a refused one."""
    if place[1] == "meta" and is_rejected(place[0]):
        return 0
    return seen.ledger.get(place, (0, 0))[0]


def _places(seen: Evidence) -> Iterator[Place]:
    return ((event, destination) for event in seen.kept for destination in DESTINATIONS)


def _expected(seen: Evidence, place: Place) -> str:
    event, destination = place
    if seen.kept[event] == SILENT:
        return "skipped"
    return "failed" if destination == "meta" and is_rejected(event) else "delivered"


def _unrecorded(seen: Evidence) -> Iterator[str]:
    for event in seen.kept.keys() | seen.sales:
        if (seen.events[event], event in seen.sales, event in seen.kept) != (1, True, True):
            yield f"{event}: {seen.events[event]} times in the log"


def _not_rolled_back(seen: Evidence) -> Iterator[str]:
    sent = {event for event, _ in seen.ledger}
    yield from sorted((seen.events.keys() | sent) - seen.kept.keys())


def _lost(seen: Evidence) -> Iterator[str]:
    for place in _places(seen):
        ended = sorted(receipt.revision for receipt in seen.receipts.get(place, ()))
        if ended != list(range(seen.revisions[place] + 1)):
            yield f"{place}: revisions {ended} ended, {seen.revisions[place]} were decided"


def _counted_twice(seen: Evidence) -> Iterator[str]:
    for (event, destination), (_, counted) in seen.ledger.items():
        if destination == "meta" and counted > 1:
            yield f"{event}: {counted} times"


def _not_taken(seen: Evidence) -> Iterator[str]:
    for place in _places(seen):
        delivered = [receipt for receipt in seen.receipts.get(place, ()) if receipt.outcome == "delivered"]
        if delivered and seen.kept[place[0]] != SILENT and not seen.ledger.get(place, (0, 0))[1]:
            yield f"{place}: {delivered}"


def _wrongly_failed(seen: Evidence) -> Iterator[str]:
    for place in _places(seen):
        for receipt in seen.receipts.get(place, ()):
            if receipt.outcome != ("delivered" if receipt.revision else _expected(seen, place)):
                yield f"{place}: {receipt}"
        if place[1] == "meta" and is_rejected(place[0]) and seen.ledger.get(place, (0, 0))[1]:
            yield f"{place}: accepted"


def _repeated(seen: Evidence) -> Iterator[str]:
    for place in _places(seen):
        allowed = 1 + uncertain(seen, place) + seen.revisions[place]
        if _taken(seen, place) > allowed:
            yield f"{place}: accepted {_taken(seen, place)} times instead of {allowed}"


def _lost_silently(seen: Evidence) -> Iterator[str]:
    for place, times in seen.unacknowledged.items():
        # GA4 accepts with any 2xx, whatever the body.
        understood = sum(place[1] == "ga4" and receipt.status == 200 for receipt in seen.receipts.get(place, ()))
        if times > uncertain(seen, place) + understood:
            yield f"{place}: {times} responses lost, {uncertain(seen, place)} uncertain attempts"


def _settled_twice(seen: Evidence) -> Iterator[str]:
    for place, receipts in seen.receipts.items():
        for receipt in receipts:
            tried = [one.number for one in seen.attempts.get(place, ()) if one.revision == receipt.revision]
            tries = len(tried) + (receipt.status is not None)
            if tried != list(range(1, len(tried) + 1)) or receipt.tries != tries:
                yield f"{place}: attempts {tried}, {receipt}"


def _wrong_deaths(seen: Evidence) -> Iterator[str]:
    died, killed = seen.logs.lines[WORKER_DIED], sum(one.kind == "worker" for one in seen.incidents)
    if died > killed:
        yield f"{died} workers died, {killed} were killed"


def _wrong_ends(seen: Evidence) -> Iterator[str]:
    for log, signals, code, seconds in seen.stops:
        if "SIGKILL" not in signals and (not signals or code != 0 or seconds > GRACE_SECONDS):
            yield f"{log}: exit code {code}, {seconds:.1f} s after {signals}"

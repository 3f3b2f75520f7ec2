"""Whether conversions arrive, in a sentence, and what to do if not. Pure.

The worst comes first: no dispatcher, halted, failing, behind, more given up than delivered; then what only wants a look:
given up, throttled, paused, disabled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from dispatcher.console.formatting import clock, label, span, step
from dispatcher.console.status import Pending, Situation, Status

BEHIND_SECONDS = 300.0
"""So long may the oldest owed wait for a destination that takes deliveries, before somebody is told."""
INTAKE_BEHIND_SECONDS = 60.0
FEW_HOURS = 6 * 3600.0


class Finding(msgspec.Struct, frozen=True):
    """Something that is to be said. `level`: good, fair (nobody need act at once) or bad."""

    level: str
    headline: str
    more: str = ""
    do: str = ""


def verdict(situation: Situation) -> list[Finding]:
    """Give what is to be said, the most important first; there is always something."""
    found = [*_dispatchers(situation), *_intake(situation)]
    for status in situation.destinations:
        found += _destination(status, situation)
    found.sort(key=lambda finding: ("bad", "fair").index(finding.level))
    # That conversions arrive is said only where any did, or where nothing at all is to be said.
    arrive = any(status.total("delivered") for status in situation.destinations)
    is_well = not found or (arrive and found[0].level != "bad")
    return [_well(situation, found), *found] if is_well else found


def _dispatchers(situation: Situation) -> Iterator[Finding]:
    if situation.here:
        return
    waiting = _in_all([situation.intake, *(status.pending for status in situation.destinations)])
    if situation.dispatchers:
        last = min(dispatcher.silent for dispatcher in situation.dispatchers)
        headline = f"No dispatcher is running; the last was heard of {span(last)} ago."
    else:
        headline = "No dispatcher has been heard of in the last day."
    more = f"{waiting} deliveries wait." if waiting != "0" else "Nothing waits yet."
    yield Finding("bad", headline, more, "Start one: outbox dispatch. What is recorded meanwhile is kept.")


def _intake(situation: Situation) -> Iterator[Finding]:
    pending = situation.intake
    waits = pending.age.working
    if situation.here and waits is not None and waits > INTAKE_BEHIND_SECONDS:
        yield Finding(
            "bad",
            f"Intake is behind: {pending} events wait to be taken in, the oldest for {span(waits)}.",
            "",
            "Start another dispatcher, on this machine or another; look into their logs if that does not help.",
        )


def _destination(status: Status, situation: Situation) -> Iterator[Finding]:
    name, pending = label(status.name), status.pending
    since = f" since {clock(status.since, situation.now)}" if status.since else ""
    waits = pending.age.working
    waiting = f"{pending} wait{'s' if pending.count == 1 else ''}." if pending.count else "Nothing waits."
    match status.state:
        case "halted":
            why = _inner(status.explanation.says)
            yield Finding("bad", f"{name} is halted{since}: {why}", f"{waiting} {_left(status)}", status.explanation.do)
        case "failing":
            why = _inner(status.explanation.says)
            more = f"{waiting} They are tried again by themselves. {_left(status)}" if pending.count else waiting
            yield Finding("bad", f"{name} fails{since}: {why}", more, status.explanation.do)
        case "throttled":
            yield Finding("fair", f"{name} asks us to slow down{since}.", f"{waiting} It goes on by itself.")
        case "paused":
            yield Finding(
                "fair", f"{name} is paused{since}.", f"{waiting} {_left(status)}", "Resume it under Destinations."
            )
        case "disabled":
            yield Finding(
                "fair", f"{name} is switched off{since}: nothing is sent there.", "", "Enable it under Destinations."
            )
        case _ if situation.here and pending.is_due and waits is not None and waits > BEHIND_SECONDS:
            yield Finding(
                "bad",
                f"{name} is behind: {pending} are owed, the oldest for {span(waits)}.",
                _left(status),
                "Look at its last complaint below. If there is none, start another dispatcher.",
            )
    if status.state not in {"paused", "disabled"} and pending.age.paused is not None:
        yield Finding(
            "fair",
            f"At {name} {', '.join(map(step, status.steps('paused')))} is paused; "
            f"what is held back has waited for {span(pending.age.paused)}.",
            _left(status),
            "Resume it under Destinations.",
        )
    if dead := status.total("failed"):
        delivered = status.total("delivered")
        yield Finding(
            "bad" if dead > delivered else "fair",
            f"{dead:,} of {dead + delivered:,} deliveries to {name} were given up in the last hour.",
            "",
            "See under Dead letters why, and what to do.",
        )


def _well(situation: Situation, but: Sequence[Finding]) -> Finding:
    """Say that conversions arrive; `but` follows."""
    names = [label(status.name) for status in situation.destinations if status.state == "running"]
    delivered = sum(status.total("delivered") for status in situation.destinations)
    queues = (situation.intake, *(status.pending for status in situation.destinations))
    oldest = max((pending.age.working for pending in queues if pending.age.working is not None), default=None)
    is_held = any(pending.age.paused is not None for pending in queues)
    nothing = "nothing waits but what is paused" if is_held else "nothing waits"
    waits = nothing if oldest is None else f"the oldest owed waits {span(oldest)}"
    if not delivered:
        return Finding("good", "Nothing was delivered in the last hour, and nothing is wrong.", f"Right now {waits}.")
    if but:
        return Finding("good", f"Conversions arrive: {delivered:,} deliveries in the last hour; {waits}.")
    takes = "take" if len(names) > 1 else "takes"
    return Finding("good", f"Conversions arrive. {' and '.join(names)} {takes} everything; {waits}.")


def _left(status: Status) -> str:
    """Say how long nothing is lost yet."""
    if not status.pending.count or status.pending.age.happened is None:
        return ""
    left = status.window - status.pending.age.happened
    if left <= 0:
        return "The first are too old for it by now."
    return f"Nothing is lost for {span(left)}." if left > FEW_HOURS else f"Nothing is lost for {span(left)} only."


def _in_all(queues: Sequence[Pending]) -> str:
    return f"{'more than ' if any(pending.is_more for pending in queues) else ''}{sum(pending.count for pending in queues):,}"


def _inner(sentence: str) -> str:
    """Give a sentence as the end of another."""
    first, *_ = sentence.split(" ", 1)
    is_name = (len(first) > 1 and first.isupper()) or first == "Meta"
    return sentence if is_name else sentence[:1].lower() + sentence[1:]

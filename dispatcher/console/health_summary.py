"""Whether conversions arrive, in a sentence or a few, and what to do if not. Pure.

The worst comes first: no dispatcher, halted, failing, behind, more failed than delivered. Then what is less urgent:
some failed, throttled, paused, disabled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from dispatcher.console.formatting import clock, span, step
from dispatcher.console.status import PendingCount, Situation, Status
from dispatcher.destinations.registry import kinds, label

BEHIND_SECONDS = 300.0
"""How long the oldest delivery may be pending at a working destination before it counts as behind."""
INTAKE_BEHIND_SECONDS = 60.0
FEW_HOURS = 6 * 3600.0


class Verdict(msgspec.Struct, frozen=True):
    """One statement about the situation. `level`: good, fair (not urgent) or bad."""

    level: str
    headline: str
    more: str = ""
    do: str = ""


def summarize(situation: Situation) -> list[Verdict]:
    """Return the verdicts on a situation, the most important first. There is always at least one."""
    problems = [*_dispatchers(situation), *_intake(situation)]
    for status in situation.destinations:
        problems += _destination(status, situation)
    problems.sort(key=lambda verdict: ("bad", "fair").index(verdict.level))
    # "Conversions arrive" appears only if some did, or if there is no problem at all.
    arrive = any(status.total("delivered") for status in situation.destinations)
    is_healthy = not problems or (arrive and problems[0].level != "bad")
    return [_healthy(situation, problems), *problems] if is_healthy else problems


def _dispatchers(situation: Situation) -> Iterator[Verdict]:
    if situation.running:
        return
    waiting = _total([situation.intake, *(status.pending for status in situation.destinations)])
    if situation.dispatchers:
        last = min(dispatcher.silent for dispatcher in situation.dispatchers)
        headline = f"No dispatcher is running. The last one reported {span(last)} ago."
    else:
        headline = "No dispatcher has reported in the last day."
    more = f"{waiting} deliveries are waiting." if waiting != "0" else "Nothing is waiting yet."
    yield Verdict("bad", headline, more, "Start one: outbox dispatch. Conversions recorded meanwhile are kept.")


def _intake(situation: Situation) -> Iterator[Verdict]:
    pending = situation.intake
    waiting = pending.age.working
    if situation.running and waiting is not None and waiting > INTAKE_BEHIND_SECONDS:
        yield Verdict(
            "bad",
            f"Intake is behind: {pending} events are waiting, the oldest for {span(waiting)}.",
            "",
            "Start another dispatcher, on this machine or another. If that does not help, check the dispatchers' logs.",
        )


def _destination(status: Status, situation: Situation) -> Iterator[Verdict]:
    name, pending = label(status.name), status.pending
    since = f" since {clock(status.since, situation.now)}" if status.since else ""
    age = pending.age.working
    waiting = f"{pending} {'is' if pending.count == 1 else 'are'} waiting." if pending.count else "Nothing is waiting."
    match status.state:
        case "halted":
            why = _inner(status.explanation.says)
            yield Verdict("bad", f"{name} is halted{since}: {why}", f"{waiting} {_left(status)}", status.explanation.do)
        case "failing":
            why = _inner(status.explanation.says)
            more = f"{waiting} Retries are automatic. {_left(status)}" if pending.count else waiting
            yield Verdict("bad", f"{name} is failing{since}: {why}", more, status.explanation.do)
        case "throttled":
            yield Verdict("fair", f"{name} is throttled{since}.", f"{waiting} It continues automatically.")
        case "paused":
            yield Verdict(
                "fair", f"{name} is paused{since}.", f"{waiting} {_left(status)}", "Resume it under Destinations."
            )
        case "disabled":
            yield Verdict(
                "fair", f"{name} is disabled{since}: nothing is sent there.", "", "Enable it under Destinations."
            )
        case _ if situation.running and pending.is_due and age is not None and age > BEHIND_SECONDS:
            yield Verdict(
                "bad",
                f"{name} is behind: {pending} pending, the oldest for {span(age)}.",
                _left(status),
                "See its last error below. If there is none, start another dispatcher.",
            )
    if status.state not in {"paused", "disabled"} and pending.age.paused is not None:
        yield Verdict(
            "fair",
            f"Paused steps at {name}: {', '.join(map(step, status.steps('paused')))}. "
            f"The oldest delivery held back has waited for {span(pending.age.paused)}.",
            _left(status),
            "Resume them under Destinations.",
        )
    if failed := status.total("failed"):
        delivered = status.total("delivered")
        yield Verdict(
            "bad" if failed > delivered else "fair",
            f"{failed:,} of {failed + delivered:,} deliveries to {name} failed for good in the last hour.",
            "",
            "See Dead letters for the reasons, and what to do.",
        )


def _healthy(situation: Situation, problems: Sequence[Verdict]) -> Verdict:
    """Return the verdict that conversions arrive. `problems` are the verdicts that follow it."""
    names = [label(status.name) for status in situation.destinations if status.state == "running"]
    delivered = sum(status.total("delivered") for status in situation.destinations)
    queues = (situation.intake, *(status.pending for status in situation.destinations))
    oldest = max((pending.age.working for pending in queues if pending.age.working is not None), default=None)
    is_held = any(pending.age.paused is not None for pending in queues)
    nothing = "only paused deliveries are waiting" if is_held else "nothing is waiting"
    waiting = nothing if oldest is None else f"the oldest pending delivery has waited {span(oldest)}"
    if not delivered:
        return Verdict(
            "good", "Nothing was delivered in the last hour, and nothing is wrong.", f"Right now, {waiting}."
        )
    if problems:
        return Verdict("good", f"Conversions arrive: {delivered:,} deliveries in the last hour; {waiting}.")
    accept = "accept" if len(names) > 1 else "accepts"
    return Verdict("good", f"Conversions arrive. {' and '.join(names)} {accept} everything; {waiting}.")


def _left(status: Status) -> str:
    """Return a sentence about how much time is left before pending deliveries miss their window."""
    if not status.pending.count or status.pending.age.happened is None:
        return ""
    left = status.window - status.pending.age.happened
    if left <= 0:
        return "The oldest are already too old to be accepted."
    return (
        f"Nothing is lost if this ends within {span(left)}."
        if left > FEW_HOURS
        else f"Only {span(left)} left before the first is lost."
    )


def _total(queues: Sequence[PendingCount]) -> str:
    return f"{'more than ' if any(pending.is_more for pending in queues) else ''}{sum(pending.count for pending in queues):,}"


def _inner(sentence: str) -> str:
    """Return a sentence in the form of the second half of another: with a small first letter, unless it is a name."""
    first, *_ = sentence.split(" ", 1)
    is_name = (len(first) > 1 and first.isupper()) or first in {kind.label for kind in kinds().values()}
    return sentence if is_name else sentence[:1].lower() + sentence[1:]

"""Deliveries: whether somebody delivers, what waits, what is dead, and how the last day went. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

import msgspec

from dispatcher.delivery.dead_letters import Group
from dispatcher.destinations.base import Limits
from dispatcher.doctor.finding import Finding, Verdict, bad, ok, warn
from dispatcher.reasons import explain
from dispatcher.routing import DestinationRoutes

FRESH_SECONDS = 90.0
"""A dispatcher that was not heard of for longer is gone."""
SLOW_SECONDS = 300.0
MOST_GROUPS = 5
MANY = 0.05
"""A share of a day's deliveries from which something is worth a word."""


class Pending(msgspec.Struct, frozen=True):
    """How long the oldest delivery has been owed, in seconds, by destination's id (0: intake; None: nothing is)."""

    seconds: Mapping[int, float | None]


class CurrentState(msgspec.Struct, frozen=True):
    """The state of one destination, as the dispatchers report it, and why."""

    destination: int
    state: str
    reason: str | None


class Count(msgspec.Struct, frozen=True):
    """How many deliveries ended or failed in the last day."""

    destination: str
    outcome: str
    reason: str
    count: int


def check(
    words: Sequence[DestinationRoutes],
    pending: Pending,
    states: Sequence[CurrentState],
    dispatchers: int,
    limits: Mapping[str, Limits],
) -> Iterator[Finding]:
    """Say whether conversions arrive now."""
    yield _dispatchers(dispatchers, pending)
    if (waits := pending.seconds.get(0)) and waits > SLOW_SECONDS:
        yield bad("intake", f"An event has waited for intake for {_span(waits)}.", "See that `outbox dispatch` runs.")
    for there in words:
        yield from _destination(there, pending, states, limits[there.kind])


def check_dead(groups: Sequence[Group]) -> Iterator[Finding]:
    """Say what will not be sent as it is."""
    if not groups:
        yield ok("dead letters", "There are none.")
    for group in groups[:MOST_GROUPS]:
        explained = explain(group.reason)
        yield warn(
            "dead letters",
            f"{group.count} of {group.step} at {group.destination}: {group.reason}. {explained.says}",
            explained.do or "Look at `outbox dead list`.",
        )
    if len(groups) > MOST_GROUPS:
        yield warn("dead letters", f"{len(groups) - MOST_GROUPS} more kinds.", "See all with `outbox dead list`.")


def check_day(counts: Sequence[Count]) -> Iterator[Finding]:
    """Say what went wrong in the last day more often than it should."""
    totals: dict[str, int] = {}
    for count in counts:
        totals[count.destination] = totals.get(count.destination, 0) + count.count
    found = [
        Finding(f"{count.destination}: last day", Verdict.WARN, f"{count.count} of {total} {says}.", do)
        for count in counts
        if (total := totals[count.destination])
        for outcome, reason, least, says, do in _WORTH_A_WORD
        if count.outcome == outcome and reason in {None, count.reason} and count.count >= least * total
    ]
    yield from found or [ok("last day", "Nothing went wrong more often than it should.")]


# Outcome, reason (None: any), from which share of all, what it says, what to do.
_WORTH_A_WORD: tuple[tuple[str, str | None, float, str, str], ...] = (
    (
        "skipped", "too old when recorded", 0.0, "were too old when they were recorded",
        "Record conversions in the transaction that makes them; see that the CRM's clock and time zone are right.",
    ),
    (
        "skipped", "browser copy stands", MANY, "were left to the browser's copy",
        "Right only if the browser sends the same event; else take browser_pair from the step or from details.",
    ),
    (
        "skipped", "consent", 0.5, "were skipped for want of consent",
        "Right if so many refuse; else see what the CRM passes as consent.",
    ),
    (
        "failed", "window closed", 0.0, "died because their window closed while they were owed",
        "Find out why they waited: halted, paused, no dispatcher, an outage.",
    ),
    (
        "uncertain", None, MANY, "tries ended without an answer",
        "They are tried again. If it stays: look at the network between here and the destination, and at timeouts.",
    ),
    (
        "transient", None, 0.2, "tries failed and were made again",
        "Look at the network between here and the destination.",
    ),
)  # fmt: skip


def _dispatchers(count: int, pending: Pending) -> Finding:
    if count:
        return ok("dispatchers", f"{count} {'runs' if count == 1 else 'run'}.")
    is_waiting = any(seconds is not None for seconds in pending.seconds.values())
    do = "Start `outbox dispatch`, and see that something starts it again (docs/operations)."
    if is_waiting:
        return bad("dispatchers", "None runs, and conversions are waiting.", do)
    return warn("dispatchers", "None runs; nothing is waiting yet.", do)


def _destination(
    there: DestinationRoutes, pending: Pending, current: Sequence[CurrentState], limits: Limits
) -> Iterator[Finding]:
    name = there.name
    states = {each.state: each.reason for each in current if each.destination == there.id}
    if not there.enabled:
        yield warn(
            name, "It is disabled: everything is skipped.", f"`outbox destination enable {name}`, if that is not meant."
        )
        return
    if there.paused:
        yield warn(
            name,
            f"It is paused: deliveries wait, and die {_span(limits.window.total_seconds())} after their event.",
            f"`outbox destination resume {name}`.",
        )
    if "halted" in states:
        yield bad(
            name, f"It is halted: {states['halted']}. {explain(states['halted']).says}", explain(states["halted"]).do
        )
    elif "failing" in states:
        yield warn(
            name,
            f"It does not answer: {states['failing']}.",
            explain(states["failing"]).do or "It is tried again by itself.",
        )
    # Whatever else is wrong with it: that conversions are about to be lost comes along.
    waiting = _waiting(there, pending, limits)
    if waiting.verdict is Verdict.BAD or not (there.paused or {"halted", "failing"} & states.keys()):
        yield waiting
    for what, steps in (
        ("paused", [step for step, route in there.routes.items() if route.paused]),
        ("disabled", [step for step, route in there.routes.items() if not route.enabled]),
    ):
        if steps:
            verb = "resume" if what == "paused" else "enable"
            yield warn(
                name,
                f"{what.capitalize()} there: {', '.join(steps)}.",
                f"`outbox destination {verb} {name} --step …`.",
            )


def _waiting(there: DestinationRoutes, pending: Pending, limits: Limits) -> Finding:
    seconds = pending.seconds.get(there.id)
    if seconds is None:
        return ok(there.name, "Nothing is owed.")
    says = f"The oldest delivery has been owed for {_span(seconds)}."
    if seconds < SLOW_SECONDS:
        return ok(there.name, says)
    left = limits.window - timedelta(seconds=seconds)
    do = "See that `outbox dispatch` runs and what it logs; `outbox preview` shows what waits."
    if left < limits.window / 2:
        return bad(
            there.name, f"{says} The window of the oldest closes in about {_span(max(left.total_seconds(), 0))}.", do
        )
    return warn(there.name, says, do)


def _span(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

"""Checks of deliveries: is a dispatcher running, what is pending, what failed, and how the last day went. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

import msgspec

from dispatcher.delivery.dead_letters import Group
from dispatcher.destinations.base import Limits
from dispatcher.destinations.registry import explain
from dispatcher.findings import Finding, Severity, error, ok, warning
from dispatcher.routing import DestinationRoutes

FRESH_SECONDS = 90.0
"""A dispatcher that has been silent for longer is gone."""
SLOW_SECONDS = 300.0
MAX_GROUPS = 5
NOTABLE_SHARE = 0.05
"""The share of a day's deliveries from which an outcome is reported."""


class OldestPending(msgspec.Struct, frozen=True):
    """Seconds that the oldest delivery has been pending, by destination id (0: intake; None: nothing is pending)."""

    seconds: Mapping[int, float | None]


class CurrentState(msgspec.Struct, frozen=True):
    """The state of one destination as the dispatchers report it, and the reason."""

    destination: int
    state: str
    reason: str | None


class Count(msgspec.Struct, frozen=True):
    """How many deliveries or attempts had an outcome in the last day."""

    destination: str
    outcome: str
    reason: str
    count: int


def check(
    destinations: Sequence[DestinationRoutes],
    pending: OldestPending,
    states: Sequence[CurrentState],
    dispatchers: int,
    limits: Callable[[str], Limits],
) -> Iterator[Finding]:
    """Check whether conversions are being delivered now."""
    yield _dispatchers(dispatchers, pending)
    if (waiting := pending.seconds.get(0)) and waiting > SLOW_SECONDS:
        yield error(
            "intake",
            f"An event has been waiting for intake for {_span(waiting)}.",
            "Make sure that `outbox dispatch` is running.",
        )
    for destination in destinations:
        yield from _destination(destination, pending, states, limits(destination.kind))


def check_dead(groups: Sequence[Group]) -> Iterator[Finding]:
    """Report the largest groups of dead letters."""
    if not groups:
        yield ok("dead letters", "There are none.")
    for group in groups[:MAX_GROUPS]:
        explained = explain(group.reason)
        yield warning(
            "dead letters",
            f"{group.count} of {group.step} at {group.destination}: {group.reason}. {explained.says}",
            explained.do or "See `outbox dead list`.",
        )
    if len(groups) > MAX_GROUPS:
        yield warning("dead letters", f"{len(groups) - MAX_GROUPS} more groups.", "List all: `outbox dead list`.")


def check_day(counts: Sequence[Count]) -> Iterator[Finding]:
    """Report outcomes that were more frequent in the last day than they should be."""
    totals: dict[str, int] = {}
    for count in counts:
        totals[count.destination] = totals.get(count.destination, 0) + count.count
    found = [
        Finding(f"{count.destination}: last day", Severity.WARNING, f"{count.count} of {total} {says}.", do)
        for count in counts
        if (total := totals[count.destination])
        for outcome, reason, least, says, do in _NOTABLE
        if count.outcome == outcome and reason in {None, count.reason} and count.count >= least * total
    ]
    yield from found or [ok("last day", "No problem was more frequent than it should be.")]


# Outcome, reason (None: any), the share of all from which it is reported, the sentence, what to do.
_NOTABLE: tuple[tuple[str, str | None, float, str, str], ...] = (
    (
        "skipped", "too old when recorded", 0.0, "were too old when they were recorded",
        "Record each conversion in the transaction that creates it, and check the CRM's clock and time zone.",
    ),
    (
        "skipped", "sent by the browser", NOTABLE_SHARE, "were skipped in favour of the browser's copy",
        "Correct only if the browser sends the same event. Otherwise remove browser_pair from the step or from details.",
    ),
    (
        "skipped", "consent", 0.5, "were skipped because consent is missing",
        "Correct if so many people refuse. Otherwise check what the CRM passes as consent.",
    ),
    (
        "failed", "window closed", 0.0, "failed because their window closed while they were pending",
        "Find out why they waited: halted, paused, no dispatcher, or an outage.",
    ),
    (
        "uncertain", None, NOTABLE_SHARE, "attempts ended without a clear answer",
        "They are retried. If this continues, check the network to the destination and its timeouts.",
    ),
    (
        "transient", None, 0.2, "attempts failed and were retried",
        "Check the network between this machine and the destination.",
    ),
)  # fmt: skip


def _dispatchers(count: int, pending: OldestPending) -> Finding:
    if count:
        return ok("dispatchers", f"{count} running.")
    is_waiting = any(seconds is not None for seconds in pending.seconds.values())
    do = "Start `outbox dispatch` under a supervisor that restarts it (docs/operations)."
    if is_waiting:
        return error("dispatchers", "None is running, and conversions are waiting.", do)
    return warning("dispatchers", "None is running. Nothing is waiting yet.", do)


def _destination(
    destination: DestinationRoutes, pending: OldestPending, current: Sequence[CurrentState], limits: Limits
) -> Iterator[Finding]:
    name = destination.name
    states = {each.state: each.reason for each in current if each.destination == destination.id}
    if not destination.enabled:
        yield warning(
            name,
            "It is disabled: everything is skipped.",
            f"If this is not intended, run `outbox destination enable {name}`.",
        )
        return
    if destination.paused:
        yield warning(
            name,
            f"It is paused: deliveries wait, and fail {_span(limits.window.total_seconds())} after their event.",
            f"Run `outbox destination resume {name}`.",
        )
    if "halted" in states:
        yield error(
            name, f"It is halted: {states['halted']}. {explain(states['halted']).says}", explain(states["halted"]).do
        )
    elif "failing" in states:
        yield warning(
            name,
            f"It does not answer: {states['failing']}.",
            explain(states["failing"]).do or "Deliveries are retried automatically.",
        )
    # Conversions that are about to be lost are reported even if something else is wrong.
    waiting = _waiting(destination, pending, limits)
    if waiting.severity is Severity.ERROR or not (destination.paused or {"halted", "failing"} & states.keys()):
        yield waiting
    for state, steps in (
        ("paused", [step for step, route in destination.routes.items() if route.paused]),
        ("disabled", [step for step, route in destination.routes.items() if not route.enabled]),
    ):
        if steps:
            verb = "resume" if state == "paused" else "enable"
            yield warning(
                name,
                f"{state.capitalize()} steps: {', '.join(steps)}.",
                f"Run `outbox destination {verb} {name} --step …`.",
            )


def _waiting(destination: DestinationRoutes, pending: OldestPending, limits: Limits) -> Finding:
    name, seconds = destination.name, pending.seconds.get(destination.id)
    if seconds is None:
        return ok(name, "Nothing is pending.")
    says = f"The oldest delivery has been pending for {_span(seconds)}."
    if seconds < SLOW_SECONDS:
        return ok(name, says)
    left = limits.window - timedelta(seconds=seconds)
    do = "Make sure that `outbox dispatch` is running, and check its log. `outbox preview` shows what is waiting."
    if left < limits.window / 2:
        return error(name, f"{says} Its window closes in about {_span(max(left.total_seconds(), 0))}.", do)
    return warning(name, says, do)


def _span(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

"""Which alerts hold, and their texts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date

import msgspec

from dispatcher.config import Config
from dispatcher.destinations.kind import TOKEN, VERSION, Deadline
from dispatcher.destinations.registry import explain, secret_variable
from dispatcher.monitoring.destination_status import DestinationStatus
from dispatcher.reasons import UNKNOWN

HALTED, BACKLOG = "halted", "backlog"
DISABLED = "disabled"
"""The state of a destination that raises no alert and gets no all clear."""
KINDS: tuple[str, ...] = (HALTED, BACKLOG, TOKEN, VERSION)
"""The kinds of alerts: a destination halted; something pending for too long; a token, or the version of an API, about to
expire."""
QUIET: tuple[str, ...] = (TOKEN, VERSION)
"""Kinds without an all clear: an operator changed the date or the version, and knows."""

CALM_SECONDS = 60.0
"""How long a destination must not have been halted before the alert is over: a dispatcher that starts reports it running
until the first response."""
REMINDERS = (30, 14, 7, 3, 1, 0)
"""Days before a date at which a reminder is sent; 0: the date has come."""

Alert = tuple[str, str]
"""Kind and subject."""
SAME = ""
"""The message of an alert that still holds as far as is known: its last text stays as it is."""


class QueueHealth(msgspec.Struct, frozen=True):
    """One queue: a destination, or intake (id 0).

    `state`: as it was switched, else as a dispatcher reported it last, `calm_seconds` ago; None if no dispatcher reported.
    `age_seconds`: how long the oldest delivery has been pending; `paused_seconds`: the oldest of a paused step; None: there
    is none.
    """

    id: int
    name: str
    state: str | None
    reason: str | None
    calm_seconds: float | None
    age_seconds: float | None
    paused_seconds: float | None

    @classmethod
    def of(cls, status: DestinationStatus) -> QueueHealth:
        """Return the fact of a status."""
        age = status.age
        return cls(status.id, status.name, status.state, status.reason, status.seconds, age.working, age.paused)


def holding(
    facts: Iterable[QueueHealth],
    active: Collection[Alert],
    config: Config,
    deadlines: Collection[Deadline],
    today: date,
) -> dict[Alert, str]:
    """Return the alerts that hold now, and their texts (`SAME`: nothing new).

    `active`: the alerts raised before; they end only when they are certainly over. `deadlines`: what ends on a known day.
    """
    found: dict[Alert, str] = {}
    for fact in facts:
        if fact.state == DISABLED:
            continue
        was_behind = (BACKLOG, fact.name) in active
        halted = _halted(fact, (HALTED, fact.name) in active, secret_variable(fact.name, config))
        behind = _backlog(fact, was_behind, config.alerts.backlog_minutes)
        if halted is not None:
            found[HALTED, fact.name] = halted
            if was_behind:  # halting does not end the backlog
                found[BACKLOG, fact.name] = behind or SAME
        elif behind is not None:
            found[BACKLOG, fact.name] = behind
    for deadline in deadlines:
        if (days := _reminder(deadline.ends, today)) is not None:
            found[deadline.alert, f"{deadline.subject}, {days}"] = _ending(deadline, today)
    return found


def _halted(fact: QueueHealth, is_active: bool, secret: str) -> str | None:
    if fact.id == 0:
        return None
    if fact.state == HALTED:
        explanation = explain(fact.reason, secret=secret)
        what_to_do = explanation.do if explanation.do and explanation != UNKNOWN else "Run `outbox doctor` for details."
        return f"{fact.name} is halted: {fact.reason}. Deliveries wait, and their windows keep running. {what_to_do}"
    # If no dispatcher reported, nothing new is known.
    is_over = fact.state is not None and fact.calm_seconds is not None and fact.calm_seconds >= CALM_SECONDS
    return SAME if is_active and not is_over else None


def _backlog(fact: QueueHealth, is_active: bool, minutes: int) -> str | None:
    # Over only below half of the limit, so that an age around the limit does not raise the alert again and again.
    limit = minutes * 60 / (2 if is_active else 1)
    if fact.age_seconds is not None and fact.age_seconds > limit:
        state = fact.state or "not served by any dispatcher"
        why = f" ({fact.reason})" if fact.reason else ""
        waits = f"{fact.age_seconds / 60:.0f} minutes"
        return f"{fact.name} is behind: the oldest delivery has been pending for {waits}; it is {state}{why}."
    if fact.paused_seconds is not None and fact.paused_seconds > limit:
        return (
            f"A step is paused at {fact.name}: its oldest delivery has been pending for {fact.paused_seconds / 60:.0f} minutes, "
            "and its window keeps running. Resume the step, or disable it at this destination."
        )
    return None


def _reminder(ends: date, today: date) -> int | None:
    """Return the last of `REMINDERS` that has come, or None."""
    left = (ends - today).days
    return min((days for days in REMINDERS if left <= days), default=None)


def _ending(deadline: Deadline, today: date) -> str:
    ends, left = deadline.ends, (deadline.ends - today).days
    when = f"ended on {ends}" if left <= 0 else f"ends on {ends}, in {left} day{'s' if left > 1 else ''}"
    return f"{deadline.what} {when}: {deadline.do}."


def all_clear(kind: str, subject: str, message: str) -> str:
    """Return the text of the all clear of an alert with the text `message`."""
    texts: Mapping[str, str] = {
        HALTED: f"{subject} is no longer halted.",
        BACKLOG: f"{subject} has caught up.",
    }
    return texts.get(kind, f"Over: {message}")

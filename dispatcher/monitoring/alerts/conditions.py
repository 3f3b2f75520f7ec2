"""What there is to alert to, and in which words. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date

import msgspec

from dispatcher.config import Config
from dispatcher.destinations.meta.versions import end_of
from dispatcher.monitoring.destination_status import DestinationStatus
from dispatcher.reasons import UNKNOWN, explain

HALTED, BACKLOG, TOKEN, VERSION = "halted", "backlog", "token", "version"
DISABLED = "disabled"
"""The state of a destination of which nothing is told, nor that anything is over: it was switched off."""
KINDS: tuple[str, ...] = (HALTED, BACKLOG, TOKEN, VERSION)
"""The kinds of alerts there are: a destination halted; something owed for too long; Meta's token, or the version of its
API, about to end."""
QUIET: tuple[str, ...] = (TOKEN, VERSION)
"""Kinds of which nobody need be told that it is over: who changed the date or the version knows."""

CALM_SECONDS = 60.0
"""For so long a destination must not have been halted until that is over: a dispatcher that starts believes it well until
the first answer."""
REMINDERS = (30, 14, 7, 3, 1, 0)
"""Days before a date at which somebody is reminded of it; 0: it is over."""

Alert = tuple[str, str]
"""Kind and subject."""
SAME = ""
"""The message of what still holds as far as anybody knows: what was told last stays as it is."""


class Fact(msgspec.Struct, frozen=True):
    """One queue: a destination, or intake (id 0).

    `state`: as it was switched, else the one that a dispatcher came to last, `calm_seconds` ago; None if none was heard of.
    `age_seconds`: how long the longest-waiting has been owed, and `paused_seconds`: of what a paused step there holds back;
    None: nothing is.
    """

    id: int
    name: str
    state: str | None
    reason: str | None
    calm_seconds: float | None
    age_seconds: float | None
    paused_seconds: float | None

    @classmethod
    def of(cls, standing: DestinationStatus) -> Fact:
        """Give the fact that a standing is."""
        age = standing.age
        return cls(
            standing.id, standing.name, standing.state, standing.reason, standing.seconds, age.working, age.paused
        )


def holding(
    facts: Iterable[Fact], told: Collection[Alert], config: Config, versions: Collection[str], today: date
) -> dict[Alert, str]:
    """Give what holds now, and what to say of it (`SAME`: nothing new).

    `told`: what is known already, and is over only when it surely is. `versions`: those of Meta's API that are in use.
    """
    found: dict[Alert, str] = {}
    for fact in facts:
        if fact.state == DISABLED:
            continue
        was_behind = (BACKLOG, fact.name) in told
        halted = _halted(fact, (HALTED, fact.name) in told, _secret(fact.name, config))
        behind = _backlog(fact, was_behind, config.alerts.backlog_minutes)
        if halted is not None:
            found[HALTED, fact.name] = halted
            if was_behind:  # that it halts is no end of it
                found[BACKLOG, fact.name] = behind or SAME
        elif behind is not None:
            found[BACKLOG, fact.name] = behind
    if (expires := config.schedule.token_expires) and (days := _reminder(expires, today)) is not None:
        found[TOKEN, f"{expires}, {days}"] = _ending("Meta's access token", expires, today, "renew META_CAPI_TOKEN")
    for version in versions:
        ends = end_of(version)
        if ends and (days := _reminder(ends, today)) is not None:
            found[VERSION, f"{version}, {days}"] = _ending(
                f"version {version} of Meta's API", ends, today, "set META_API_VERSION to a newer one"
            )
    return found


def _secret(name: str, config: Config) -> str:
    """Give the variable that holds the secret of a destination."""
    account = config.account(name)
    if account is None or account.secret_variable is None:
        return "GA4_API_SECRET" if account and account.kind == "ga4" else "META_CAPI_TOKEN"
    return account.secret_variable


def _halted(fact: Fact, was_told: bool, secret: str) -> str | None:
    if fact.id == 0:
        return None
    if fact.state == HALTED:
        known = explain(fact.reason, secret=secret)
        what_to_do = known.do if known.do and known != UNKNOWN else "`outbox doctor` says more."
        return f"{fact.name} is halted: {fact.reason}. Deliveries wait, and their time runs. {what_to_do}"
    # Where no dispatcher was heard of, nothing new is known.
    is_over = fact.state is not None and fact.calm_seconds is not None and fact.calm_seconds >= CALM_SECONDS
    return SAME if was_told and not is_over else None


def _backlog(fact: Fact, was_told: bool, minutes: int) -> str | None:
    # Over only when half of it is worked off, so that an age about the limit does not tell of it again and again.
    limit = minutes * 60 / (2 if was_told else 1)
    if fact.age_seconds is not None and fact.age_seconds > limit:
        state = fact.state or "not worked on by any dispatcher"
        why = f" ({fact.reason})" if fact.reason else ""
        waits = f"{fact.age_seconds / 60:.0f} minutes"
        return f"{fact.name} is behind: something has been owed for {waits}; it is {state}{why}."
    if fact.paused_seconds is not None and fact.paused_seconds > limit:
        return (
            f"A step is paused at {fact.name}: what it holds back has been owed for {fact.paused_seconds / 60:.0f} minutes, "
            "and its time runs. Resume the step, or disable it there."
        )
    return None


def _reminder(ends: date, today: date) -> int | None:
    """Give of `REMINDERS` the last one that has come, if any."""
    left = (ends - today).days
    return min((days for days in REMINDERS if left <= days), default=None)


def _ending(what: str, ends: date, today: date, what_to_do: str) -> str:
    left = (ends - today).days
    when = f"ended on {ends}" if left <= 0 else f"ends on {ends}, in {left} day{'s' if left > 1 else ''}"
    return f"{what} {when}: {what_to_do}."


def over(kind: str, subject: str, message: str) -> str:
    """Say that an alert is over, whose `message` was told."""
    words: Mapping[str, str] = {
        HALTED: f"{subject} is no longer halted.",
        BACKLOG: f"{subject} has caught up.",
    }
    return words.get(kind, f"Over: {message}")

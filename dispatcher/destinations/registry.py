"""The kinds of destination, and what is asked of them by the name of a kind or of a destination."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import chain
from typing import Any

from dispatcher.config import Account, Config
from dispatcher.config import kinds as config_kinds
from dispatcher.config.settings import Settings
from dispatcher.destinations.base import Destination, Limits
from dispatcher.destinations.kind import Configured, Deadline, DestinationKind
from dispatcher.destinations.unconfigured import Unconfigured
from dispatcher.reasons import EXPLANATIONS, PATTERNS, UNKNOWN, Explanation

UNKNOWN_LIMITS = Limits(window=timedelta(days=90), repeat=None, batch=100, concurrency=1)
"""Of a kind whose package is not installed here: nothing is sent, and nothing ends because of that."""


def kinds() -> Mapping[str, DestinationKind[Any]]:
    """Return all kinds by name, in their order."""
    return config_kinds.kinds()


def limits_of(kind: str) -> Limits:
    """Return the limits of a kind."""
    known = kinds().get(kind)
    return known.limits if known else UNKNOWN_LIMITS


def configured(account: Account, settings: Settings, config: Config) -> Configured[Any]:
    """Return a destination as it is configured here."""
    steps = tuple(step for step in config.steps if account.name in step.targets)
    return Configured(
        account.name,
        account.settings(settings),
        account.secret_variable,
        consent_default=settings.consent_default,
        lead_prefix=settings.lead_prefix,
        steps=steps,
    )


def create(kind: str, name: str, settings: Settings, config: Config) -> Destination:
    """Return the destination `name` of `kind`, with the account configured for it."""
    if kind not in kinds():
        return Unconfigured(name, UNKNOWN_LIMITS, missing=f"the package for destinations of kind {kind}")
    account = config.account(name)
    if account is None or account.kind != kind:
        # With a file, the destination was removed from it; without one, the file itself is missing.
        missing = None if config.path is not None else f"[destinations.{name}] in outbox.toml"
        return Unconfigured(name, limits_of(kind), missing=missing)
    return kinds()[kind].create(configured(account, settings, config))


def label(destination: str) -> str:
    """Return the display name of a destination: a kind's own label for one that is named like it."""
    kind = kinds().get(destination)
    return kind.label if kind else destination


def secret_variable(name: str, config: Config) -> str:
    """Return the name of the variable that holds a destination's secret."""
    account = config.account(name)
    return account.secret_variable if account else "its token"


def deadlines(settings: Settings, config: Config) -> set[Deadline]:
    """Return what ends on a known day at the configured destinations, without repeating what several have in common."""
    return {
        deadline
        for account in config.accounts
        for deadline in kinds()[account.kind].deadlines(account.settings(settings), config.schedule.token_expires)
    }


def explain(reason: str | None, *, secret: str = "the token") -> Explanation:  # noqa: S107 - the name of a variable
    """Return the explanation of a reason; `secret` is the name of the variable that holds the destination's token.

    explain("missing value").says   "This event needs a value and a currency."
    explain("missing value").do     "Record value and currency with this step, or …"
    """
    text = reason or ""
    tables = (EXPLANATIONS, *(kind.explanations for kind in kinds().values()))
    found = next((table[text] for table in tables if text in table), None)
    if found is None:
        patterns = chain(PATTERNS, *(kind.patterns for kind in kinds().values()))
        found = next((explanation for pattern, explanation in patterns if pattern.fullmatch(text)), UNKNOWN)
    says, do = (each.replace("{secret}", secret).replace("{reason}", text) for each in (found.says, found.do))
    return Explanation(says, do, found.requeue)

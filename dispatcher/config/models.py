"""The values of the configuration, with the defaults that apply without a file.

`dispatcher.config.toml_file` reads them from `outbox.toml`; `outbox.example.toml` is the default configuration as a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time
from pathlib import Path
from typing import Any, Literal

from dispatcher.config.default_forms import FORMS, Form
from dispatcher.config.kinds import kinds
from dispatcher.config.settings import Settings
from dispatcher.config.variables import ConfigError, declared
from outbox.client_ip import IP_HEADERS, TRUSTED_PROXIES
from outbox.taxonomy import FUNNEL, Step, Target

__all__ = [
    "Account",
    "Alerts",
    "Config",
    "ConfigError",
    "Schedule",
    "Serve",
    "Stripe",
    "default_accounts",
    "default_steps",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One destination and its account there; the environment supplies what the file does not state.

    `stated`: settings of its kind that the file states, by their names. `variables`: those of them that are read from a
    variable of their own, and which.
    """

    name: str
    kind: str
    stated: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    def settings(self, settings: Settings) -> Any:
        """Return the settings of its kind as they apply to this destination."""
        of_kind = settings.of(self.kind)
        own: dict[str, Any] = {}
        if kinds()[self.kind].id in self.stated:
            own = {each.name: each.default for each in declared(of_kind) if each.metadata["belongs_to_id"]}
        return replace(of_kind, **{**own, **self.stated})

    def variable(self, setting: str) -> str:
        """Return the environment variable of a setting of this destination."""
        return self.variables.get(setting) or str(kinds()[self.kind].variable(setting))

    @property
    def secret_variable(self) -> str:
        """The environment variable of its secret."""
        return self.variable(kinds()[self.kind].secret)


def default_accounts() -> tuple[Account, ...]:
    """Return the destinations that exist without a file."""
    return tuple(Account(name=kind.name, kind=kind.name) for kind in kinds().values() if kind.is_default)


def default_steps(destinations: Iterable[str]) -> tuple[Step, ...]:
    """Return the default funnel with the routes to each destination of `destinations` that is named like its kind."""
    names = set(destinations)
    routed = [kind for kind in kinds().values() if kind.name in names]
    return tuple(
        replace(
            step,
            parameters={},
            targets={
                kind.name: Target(event_name=kind.routes[step.name], parameters=step.parameters)
                for kind in routed
                if step.name in kind.routes
            },
        )
        for step in FUNNEL
    )


def _default_steps() -> tuple[Step, ...]:
    return default_steps(account.name for account in default_accounts())


@dataclass(frozen=True, slots=True, kw_only=True)
class Serve:
    """The settings of `outbox serve` beside its forms.

    `origins`: the origins of the pages that may post (`https://www.example.com`); None: any page may post, but none can read
    the response. `trusted_proxies` and `ip_headers` locate the visitor's address, see `outbox.client_ip`.
    """

    origins: frozenset[str] | None = None
    trusted_proxies: tuple[str, ...] = TRUSTED_PROXIES
    ip_headers: tuple[str, ...] = IP_HEADERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripe:
    """How Stripe's events are read: the fields and defaults of `outbox.stripe.Rules`."""

    account_key: str = "account_id"
    handl_key: str = "handl_id"
    product_key: str = "product"
    client_reference: Literal["account_id", "handl_id", "neither"] = "account_id"
    trials: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When the daily report is sent, in the time zone `zone` (IANA).

    `token_expires`: when the token expires of the kind of destination that has such a deadline; None: unknown.
    """

    report_at: time = time(12, 30)
    zone: str = "Europe/Nicosia"
    token_expires: date | None = date(2027, 5, 24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """When a backlog raises an alert: the oldest delivery has been pending for longer than `backlog_minutes`."""

    backlog_minutes: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration; `path` is None if there is no file."""

    path: Path | None = None
    steps: tuple[Step, ...] = field(default_factory=_default_steps)
    accounts: tuple[Account, ...] = field(default_factory=default_accounts)
    forms: tuple[Form, ...] = FORMS
    serve: Serve = field(default_factory=Serve)
    stripe: Stripe = field(default_factory=Stripe)
    schedule: Schedule = field(default_factory=Schedule)
    alerts: Alerts = field(default_factory=Alerts)

    def account(self, name: str) -> Account | None:
        """Return the destination `name`, or None if it is not configured."""
        return next((account for account in self.accounts if account.name == name), None)

    def destinations(self) -> list[tuple[str, str]]:
        """Return name and kind of each destination, as `dispatcher.database.seed_routing` takes them."""
        return [(account.name, account.kind) for account in self.accounts]

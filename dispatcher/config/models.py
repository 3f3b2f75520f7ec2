"""The values of the configuration, with the defaults that apply without a file.

`dispatcher.config.toml_file` reads them from `outbox.toml`; `outbox.example.toml` is the default configuration as a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, time
from pathlib import Path
from typing import Any, Literal

from dispatcher.config.default_forms import FORMS, Form
from dispatcher.config.settings import Secret, Settings
from outbox.client_ip import IP_HEADERS, TRUSTED_PROXIES
from outbox.taxonomy import FUNNEL, Step


class ConfigError(ValueError):
    """The configuration cannot be used; each line of the message names the file, the line, the field and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One destination and its account there; the environment supplies what is None.

    `id`: the pixel id or the measurement id; `secret`: the token or API secret from the variable `secret_variable`.
    """

    name: str
    kind: str
    id: str | None = None
    secret_variable: str | None = None
    secret: Secret = field(default=Secret())
    test_code: str | None = None

    def apply(self, settings: Settings) -> Settings:
        """Return the settings as they apply to this destination."""
        changes: dict[str, Any] = {}
        if self.kind == "meta" and self.id is not None:
            changes |= {"meta_pixel_id": self.id, "meta_test_code": ""}  # a test code belongs to one pixel
        if self.kind == "ga4" and self.id is not None:
            changes["ga4_measurement_id"] = self.id
        if self.secret_variable is not None:
            changes["meta_token" if self.kind == "meta" else "ga4_secret"] = self.secret
        if self.test_code is not None:
            changes["meta_test_code"] = self.test_code
        return replace(settings, **changes)


ACCOUNTS = (Account(name="meta", kind="meta"), Account(name="ga4", kind="ga4"))


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
    """When the daily report is sent, in the time zone `zone` (IANA), and when Meta's token expires (None: unknown)."""

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
    steps: tuple[Step, ...] = FUNNEL
    accounts: tuple[Account, ...] = ACCOUNTS
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

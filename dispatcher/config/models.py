"""The configuration: another company's funnel, its forms and its destinations, without any code.

Without a file, everything is as the owner's taxonomy has it: `outbox.taxonomy.FUNNEL`, `dispatcher.config.default_forms.FORMS`, one pixel
and one GA4 stream. `dispatcher.config.toml_file` reads `outbox.toml`; `outbox.example.toml` says the default as a file.
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
    """The configuration cannot be used; each line of the message names the file, the line, the field, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One destination, and whose account it is there; what is None is the environment's own.

    `id` is the pixel's or the measurement id, `secret` the token or API secret out of the variable `secret_variable`.
    """

    name: str
    kind: str
    id: str | None = None
    secret_variable: str | None = None
    secret: Secret = field(default=Secret())
    test_code: str | None = None

    def apply(self, settings: Settings) -> Settings:
        """Give the settings as they are for this destination."""
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
    """What `outbox serve` is told beside its forms.

    `origins` are those of the pages that may post (`https://www.example.com`); None: any page may, but none reads the
    answer. `trusted_proxies` and `ip_headers` say where the visitor's address stands, see `outbox.client_ip`.
    """

    origins: frozenset[str] | None = None
    trusted_proxies: tuple[str, ...] = TRUSTED_PROXIES
    ip_headers: tuple[str, ...] = IP_HEADERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripe:
    """How Stripe's events are read: what `outbox.stripe.Rules` says, and its defaults."""

    account_key: str = "account_id"
    handl_key: str = "handl_id"
    product_key: str = "product"
    client_reference: Literal["account_id", "handl_id", "neither"] = "account_id"
    trials: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When the daily report is sent, in the time of `zone` (IANA), and when Meta's token expires (None: nobody knows)."""

    report_at: time = time(12, 30)
    zone: str = "Europe/Nicosia"
    token_expires: date | None = date(2027, 5, 24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """From when on somebody is alerted: something has been owed for longer than `backlog_minutes`."""

    backlog_minutes: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that is configured; `path` is None where there is no file."""

    path: Path | None = None
    steps: tuple[Step, ...] = FUNNEL
    accounts: tuple[Account, ...] = ACCOUNTS
    forms: tuple[Form, ...] = FORMS
    serve: Serve = field(default_factory=Serve)
    stripe: Stripe = field(default_factory=Stripe)
    schedule: Schedule = field(default_factory=Schedule)
    alerts: Alerts = field(default_factory=Alerts)

    def account(self, name: str) -> Account | None:
        """Give the destination `name`, if it is configured."""
        return next((account for account in self.accounts if account.name == name), None)

    def destinations(self) -> list[tuple[str, str]]:
        """Give name and kind of each destination, as `dispatcher.database.seed_routing` takes them."""
        return [(account.name, account.kind) for account in self.accounts]

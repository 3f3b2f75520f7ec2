"""The settings: one class reads the environment once and refuses unusable values with a sentence.

Usage: `settings = Settings.from_environment(os.environ)`, then `settings.lease_seconds`, or `settings.of("meta")` for the
settings of a kind of destination, which each kind declares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import phonenumbers

from dispatcher.config.kinds import kinds
from dispatcher.config.variables import (
    KindSettings,
    Secret,
    SettingsError,
    declared,
    matches,
    read,
    setting,
    values,
    within,
)

__all__ = ["KindSettings", "Secret", "Settings", "SettingsError", "conninfo", "sqlalchemy_url", "variables"]


def _is_database(value: str) -> str | None:
    if value.isprintable() and re.match(r"^postgres(ql)?(\+\w+)?://", value):
        return None
    return "expected an address such as postgresql://user:password@host:5432/database"


def _is_region(value: str) -> str | None:
    known = value.upper() in phonenumbers.SUPPORTED_REGIONS
    return None if known else "expected a country code of two letters, such as CY"


def _of_kinds() -> dict[str, KindSettings]:
    return {kind.name: kind.settings() for kind in kinds().values()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of the environment. Absent or empty variables have their default."""

    database_url: Secret = setting("OUTBOX_DATABASE_URL", Secret(), check=_is_database)
    config: str = setting("OUTBOX_CONFIG", "")
    stripe_secret: Secret = setting("STRIPE_WEBHOOK_SECRET", Secret())
    phone_region: str = setting("OUTBOX_PHONE_REGION", "", check=_is_region)
    consent_default: str = setting(
        "OUTBOX_CONSENT_DEFAULT", "granted", check=matches("granted|denied", "granted or denied")
    )
    lead_prefix: str = setting(
        "OUTBOX_LEAD_PREFIX",
        "lead:",
        check=matches(r"[A-Za-z0-9:._-]{1,32}", "1 to 32 letters, digits or :._-, such as lead:"),
    )
    lease_seconds: int = setting("OUTBOX_LEASE_SECONDS", 60, check=within(5, 3600, "seconds"))
    retention_days: int = setting("OUTBOX_RETENTION_DAYS", 90, check=within(8, 3650, "days"))
    person_days: int = setting("OUTBOX_PERSON_DAYS", 400, check=within(8, 3650, "days"))
    alert_urls: Secret = setting("OUTBOX_ALERT_URLS", Secret())
    console_token: Secret = setting("OUTBOX_CONSOLE_TOKEN", Secret())
    destinations: Mapping[str, KindSettings] = field(default_factory=_of_kinds)
    """The settings of each kind of destination, by its name."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return all settings, read and checked; raise `SettingsError` for the first that cannot be used."""
        given = values(cls, environment)
        of_kinds = {kind.name: read(kind.settings, environment) for kind in kinds().values()}
        return cls(**given, destinations=of_kinds)

    def of(self, kind: str) -> Any:
        """Return the settings of a kind of destination."""
        return self.destinations[kind]

    def changed(self, kind: str, **changes: Any) -> Settings:
        """Return the settings with some of a kind's changed."""
        return replace(self, destinations={**self.destinations, kind: replace(self.of(kind), **changes)})

    def visitor_arguments(self) -> dict[str, Any]:
        """Return the arguments that `outbox.Visitor` needs to read the cookies of the destinations."""
        return {
            each.metadata["visitor"]: getattr(of_kind, each.name)
            for of_kind in self.destinations.values()
            for each in declared(of_kind)
            if each.metadata["visitor"]
        }


def variables() -> set[str]:
    """Return the names of all environment variables that are settings."""
    classes = (Settings, *(kind.settings for kind in kinds().values()))
    return {each.metadata["variable"] for kind in classes for each in declared(kind)}


def conninfo(database_url: str) -> str:
    """Return a database address as libpq takes it; SQLAlchemy's `postgresql+psycopg://` is accepted too."""
    return re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", database_url)


def sqlalchemy_url(database_url: str) -> str:
    """Return a database address (of one host) as SQLAlchemy takes it, for psycopg."""
    return conninfo(database_url).replace("postgresql://", "postgresql+psycopg://", 1)

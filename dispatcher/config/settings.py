"""The settings: one class reads the environment once and refuses unusable values with a sentence.

Usage: `settings = Settings.from_environment(os.environ)`. A secret never prints: `Secret` shows only whether it is set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

import phonenumbers


class SettingsError(ValueError):
    """A setting cannot be used; the message names it, says what is expected, and never quotes a secret."""


class Secret:
    """A text that must never be shown: `repr`, `format` and logs print asterisks. `reveal()` returns it.

    It is not a subclass of `str`: JSON, `rich` and `structlog` would print one as it is, whatever its `repr`.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself, for the one place that needs it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "'***'" if self else "''"

    def __str__(self) -> str:
        return "***" if self else ""

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of the environment. Absent or empty variables have their default."""

    database_url: Secret = field(default=Secret(), metadata={"variable": "OUTBOX_DATABASE_URL"})
    config: str = field(default="", metadata={"variable": "OUTBOX_CONFIG"})
    meta_token: Secret = field(default=Secret(), metadata={"variable": "META_CAPI_TOKEN"})
    meta_test_code: str = field(default="", metadata={"variable": "META_CAPI_TEST_CODE"})
    meta_pixel_id: str = field(default="1530042020969436", metadata={"variable": "META_PIXEL_ID"})
    meta_api_version: str = field(default="v25.0", metadata={"variable": "META_API_VERSION"})
    meta_base_url: str = field(default="https://graph.facebook.com", metadata={"variable": "META_CAPI_BASE_URL"})
    ga4_secret: Secret = field(default=Secret(), metadata={"variable": "GA4_API_SECRET"})
    ga4_measurement_id: str = field(default="G-XLHMXGR17M", metadata={"variable": "GA4_MEASUREMENT_ID"})
    ga4_base_url: str = field(default="https://www.google-analytics.com", metadata={"variable": "GA4_MP_BASE_URL"})
    stripe_secret: Secret = field(default=Secret(), metadata={"variable": "STRIPE_WEBHOOK_SECRET"})
    phone_region: str = field(default="", metadata={"variable": "OUTBOX_PHONE_REGION"})
    consent_default: str = field(default="granted", metadata={"variable": "OUTBOX_CONSENT_DEFAULT"})
    lease_seconds: int = field(default=60, metadata={"variable": "OUTBOX_LEASE_SECONDS"})
    retention_days: int = field(default=90, metadata={"variable": "OUTBOX_RETENTION_DAYS"})
    person_days: int = field(default=400, metadata={"variable": "OUTBOX_PERSON_DAYS"})
    alert_urls: Secret = field(default=Secret(), metadata={"variable": "OUTBOX_ALERT_URLS"})
    console_token: Secret = field(default=Secret(), metadata={"variable": "OUTBOX_CONSOLE_TOKEN"})

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return all settings, read and checked; raise `SettingsError` for the first that cannot be used."""
        given: dict[str, Any] = {}
        for setting in fields(cls):
            variable = setting.metadata["variable"]
            value = environment.get(variable, "").strip()
            if not value:
                continue
            check = _CHECKS.get(setting.name, _is_plain)
            if problem := check(value):
                raise SettingsError(f"{variable}: {problem}")
            given[setting.name] = _KINDS[str(setting.type)](value)
        return cls(**given)


def conninfo(database_url: str) -> str:
    """Return a database address as libpq takes it; SQLAlchemy's `postgresql+psycopg://` is accepted too."""
    return re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", database_url)


def sqlalchemy_url(database_url: str) -> str:
    """Return a database address (of one host) as SQLAlchemy takes it, for psycopg."""
    return conninfo(database_url).replace("postgresql://", "postgresql+psycopg://", 1)


def _is_plain(value: str) -> str | None:
    return None if value.isprintable() else "contains unprintable characters; set it again"


def _is_database(value: str) -> str | None:
    if value.isprintable() and re.match(r"^postgres(ql)?(\+\w+)?://", value):
        return None
    return "expected an address such as postgresql://user:password@host:5432/database"


def _is_base_url(value: str) -> str | None:
    expected = "expected an address such as https://graph.facebook.com, without a user or a query"
    if not value.isprintable() or " " in value:
        return expected
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return expected
    complete = parts.scheme in {"http", "https"} and parts.hostname
    return expected if not complete or parts.username or parts.query or parts.fragment else None


def _is_region(value: str) -> str | None:
    known = value.upper() in phonenumbers.SUPPORTED_REGIONS
    return None if known else "expected a country code of two letters, such as CY"


def _matches(pattern: str, expected: str) -> Any:
    compiled = re.compile(pattern, re.ASCII)
    return lambda value: None if compiled.fullmatch(value) else f"expected {expected}"


def _within(low: int, high: int, unit: str) -> Any:
    def check(value: str) -> str | None:
        if len(value) <= 9 and value.isascii() and value.isdigit() and low <= int(value) <= high:
            return None
        return f"expected a whole number of {unit} from {low} to {high}"

    return check


_KINDS: dict[str, Any] = {"str": str, "int": int, "Secret": Secret}

_CHECKS: dict[str, Any] = {
    "database_url": _is_database,
    "meta_pixel_id": _matches(r"\d{5,20}", "the pixel's number, such as 1530042020969436"),
    "meta_api_version": _matches(r"v\d{1,3}\.\d", "a Graph API version, such as v25.0"),
    "meta_base_url": _is_base_url,
    "meta_test_code": _matches(
        r"[A-Za-z0-9_-]{1,64}", "the code of Events Manager's Test Events tab, such as TEST46298"
    ),
    "ga4_measurement_id": _matches(r"G-[A-Z0-9]{4,16}", "a measurement id, such as G-XLHMXGR17M"),
    "ga4_base_url": _is_base_url,
    "phone_region": _is_region,
    "consent_default": _matches("granted|denied", "granted or denied"),
    "lease_seconds": _within(5, 3600, "seconds"),
    "retention_days": _within(8, 3650, "days"),
    "person_days": _within(8, 3650, "days"),
}

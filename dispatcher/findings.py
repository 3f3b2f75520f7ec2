"""Findings: what a check of `outbox doctor` says. Kinds of destination have checks of their own."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"  # conversions arrive, but could be better or may soon get worse
    ERROR = "error"  # conversions do not arrive, or are wrong


class Finding(msgspec.Struct, frozen=True):
    """One result of a check: its name, the severity, a sentence, and what to do (None if nothing is wrong)."""

    check: str
    severity: Severity
    says: str
    do: str | None = None


def ok(check: str, says: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(check, Severity.OK, says)


def warning(check: str, says: str, do: str) -> Finding:
    """Return a finding about something that could be better or may soon get worse."""
    return Finding(check, Severity.WARNING, says, do)


def error(check: str, says: str, do: str) -> Finding:
    """Return a finding about conversions that do not arrive or are wrong."""
    return Finding(check, Severity.ERROR, says, do)

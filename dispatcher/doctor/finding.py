"""What a check found."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"  # conversions arrive, and could be better or soon worse
    BAD = "bad"  # conversions do not arrive, or are wrong


class Finding(msgspec.Struct, frozen=True):
    """One finding of one check: what it looked at, how bad it is, a sentence, and what to do (none if all is well)."""

    check: str
    verdict: Verdict
    says: str
    do: str | None = None


def ok(check: str, says: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, says)


def warn(check: str, says: str, do: str) -> Finding:
    """It could be better, or soon worse."""
    return Finding(check, Verdict.WARN, says, do)


def bad(check: str, says: str, do: str) -> Finding:
    """Conversions do not arrive, or are wrong."""
    return Finding(check, Verdict.BAD, says, do)

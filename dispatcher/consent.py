"""Consent as an event states it: `granted` or `denied` per signal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outbox.consent import SIGNALS

CONSENTS = SIGNALS
"""The consent signals that are read."""


def consent_of(stated: Mapping[str, Any], default: str) -> dict[str, str]:
    """Return `granted` or `denied` for each signal; `default` if it is not stated, `denied` if its value is unknown."""
    if not stated:
        return dict.fromkeys(CONSENTS, default)
    return {kind: _granted_or_denied(stated.get(kind), default) for kind in CONSENTS}


def _granted_or_denied(value: Any, default: str) -> str:
    if value is None:
        return default
    return "denied" if states_denial(value) else "granted"


def states_denial(value: Any) -> bool:
    """Return whether a stated consent is a refusal; an unknown value is one."""
    normalized = value.strip().lower() if isinstance(value, str) else value
    return value is not None and not (normalized is True or normalized == "granted")

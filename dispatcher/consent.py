"""Consent as an event states it: `granted` or `denied` per signal (design, part 6.7). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outbox.consent import SIGNALS

CONSENTS = SIGNALS
"""The consent signals that are read."""
ADVERTISING = ("ad_user_data", "ad_storage")
"""Denied alone, either keeps an event from advertising destinations, and its person's traits from every other event."""


def consent_of(stated: Mapping[str, Any], default: str) -> dict[str, str]:
    """Return `granted` or `denied` for each signal; `default` if it is not stated, `denied` if its value is unknown.

    A consent that tells none of the signals is a refusal of all of them.
    """
    if not stated:
        return dict.fromkeys(CONSENTS, default)
    stated = statements(stated)
    return {signal: stated.get(signal, default) for signal in CONSENTS}


def statements(stated: Any) -> dict[str, str]:
    """Return what a consent object states, signal by signal: `granted` or `denied`.

    One that tells none of the signals denies them all: it was meant to say something, and what that was is not known.
    """
    if stated is None:
        return {}
    given = stated if isinstance(stated, Mapping) else {}
    found = {
        signal: "denied" if states_denial(value) else "granted"
        for signal in CONSENTS
        if (value := given.get(signal)) is not None
    }
    return found or dict.fromkeys(CONSENTS, "denied")


def states_denial(value: Any) -> bool:
    """Return whether a stated consent is a refusal; an unknown value is one."""
    normalized = value.strip().lower() if isinstance(value, str) else value
    return value is not None and not (normalized is True or normalized == "granted")


def denies_advertising(consent: Mapping[str, str]) -> bool:
    """Return whether consent, signal by signal, keeps an event from advertising destinations."""
    return consent.get("ad_user_data") == "denied" or consent.get("ad_storage") == "denied"

"""Consent as an event states it: `granted` or `denied` per signal; read alike from every writer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outbox.consent import SIGNALS, read_consent

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

    One that states none of the signals denies them all: it was meant to say something, and what that was is not known.
    """
    return read_consent(stated, []) or {}


def denies_advertising(consent: Mapping[str, str]) -> bool:
    """Return whether consent, signal by signal, keeps an event from advertising destinations."""
    return consent.get("ad_user_data") == "denied" or consent.get("ad_storage") == "denied"

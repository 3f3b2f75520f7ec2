"""A visitor's consent, as the signals of Google's consent mode. Pure.

    ad_user_data         may data about the person be sent for advertising
    ad_personalization   may it be used to choose advertisements for them
    ad_storage           may advertising use storage, such as cookies
    analytics_storage    may analytics

Google stores consent in no cookie of its own, and the strings in its tags' requests (`gcs`, `gcd`) are documented only by
third parties, so they are not read. A consent banner forwards the signals under Google's names, or the CRM passes a
mapping.
"""

from __future__ import annotations

from collections.abc import Mapping

from outbox.http_input import as_text, is_placeholder

AD_USER_DATA = "ad_user_data"
AD_PERSONALIZATION = "ad_personalization"
SIGNALS = (AD_USER_DATA, AD_PERSONALIZATION, "ad_storage", "analytics_storage")
"""All signals that are read."""

_MEANING = {
    **dict.fromkeys(("granted", "true", "yes", "y", "on", "1"), "granted"),
    **dict.fromkeys(("denied", "false", "no", "n", "off", "0"), "denied"),
}


def read_consent(consent: object, notes: list[str]) -> dict[str, str] | None:
    """Return `granted` or `denied` for each stated signal; None if there is no consent at all.

    A value is `granted` or `denied`, a boolean, yes or no, 1 or 0, in any case. Any other value counts as denied, and so
    does every signal of a consent that states none of them: a mistake must not become a permission. A signal without
    a value states nothing.
    """
    if consent is None:
        return None
    if not isinstance(consent, Mapping):
        notes.append("consent: expected a mapping, taken as denied")
        return dict.fromkeys(SIGNALS, "denied")
    stated: dict[str, str] = {}
    known = 0
    for signal in SIGNALS:
        if signal not in consent:
            continue
        known += 1
        value = consent[signal]
        text = value if isinstance(value, str) and value in _MEANING else as_text(value).strip().lower()
        if value is None or not text or is_placeholder(text):
            if value is not None and not isinstance(value, str):
                stated[signal] = "denied"
                notes.append(f"consent.{signal}: neither granted nor denied, taken as denied")
            continue
        stated[signal] = _MEANING.get(text, "denied")
        if text not in _MEANING:
            notes.append(f"consent.{signal}: neither granted nor denied, taken as denied")
    if len(consent) > known:
        notes.append(f"consent: unknown signal, left out; the signals are {', '.join(SIGNALS)}")
    if not stated:
        notes.append("consent: states none of the signals, taken as denied")
        return dict.fromkeys(SIGNALS, "denied")
    return stated

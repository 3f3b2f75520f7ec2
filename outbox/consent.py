"""What a visitor allows, under the two names of Google's consent mode that say what data may be used for. Pure.

    ad_user_data         may data about the person be sent for advertising
    ad_personalization   may it be used to choose advertisements for them

Google keeps consent in no cookie of its own, and the strings in its tags' requests (`gcs`, `gcd`) are documented by
others only, so they are not read. A consent banner forwards the two under Google's names, or the CRM gives a mapping.
"""

from __future__ import annotations

from collections.abc import Mapping

from outbox.http_input import as_text, is_placeholder

SIGNALS = ("ad_user_data", "ad_personalization")

_MEANING = {"granted": "granted", "true": "granted", "denied": "denied", "false": "denied"}


def read_consent(consent: object, notes: list[str]) -> dict[str, str] | None:
    """Return `{"ad_user_data": "granted" | "denied", "ad_personalization": …}` with what is said, or None.

    A value may be Google's word in any case, or a boolean. One that is there and cannot be understood is taken as
    denied: somebody meant to say something, and a mistake must not become a permission.
    """
    if consent is None:
        return None
    if not isinstance(consent, Mapping):
        notes.append("consent: expected a mapping, taken as denied")
        return dict.fromkeys(SIGNALS, "denied")
    said: dict[str, str] = {}
    for signal in SIGNALS:
        value = consent.get(signal)
        text = as_text(value).strip().lower() if value is not None else ""
        if value is None or value == "" or is_placeholder(text):
            continue
        said[signal] = _MEANING.get(text, "denied")
        if text not in _MEANING:
            notes.append(f"consent {signal}: neither granted nor denied, taken as denied")
    return said or None

"""A visitor's consent, as the two signals of Google's consent mode that govern the use of data. Pure.

    ad_user_data         may data about the person be sent for advertising
    ad_personalization   may it be used to choose advertisements for them

Google stores consent in no cookie of its own, and the strings in its tags' requests (`gcs`, `gcd`) are documented only by
third parties, so they are not read. A consent banner forwards the two signals under Google's names, or the CRM passes a
mapping.
"""

from __future__ import annotations

from collections.abc import Mapping

from outbox.http_input import as_text, is_placeholder

AD_USER_DATA = "ad_user_data"
AD_PERSONALIZATION = "ad_personalization"
SIGNALS = (AD_USER_DATA, AD_PERSONALIZATION)

_MEANING = {"granted": "granted", "true": "granted", "denied": "denied", "false": "denied"}


def read_consent(consent: object, notes: list[str]) -> dict[str, str] | None:
    """Return `{"ad_user_data": "granted" | "denied", "ad_personalization": …}` with the stated signals, or None.

    A value is `granted` or `denied` in any case, or a boolean. Any other value counts as denied: a mistake must not
    become a permission.
    """
    if consent is None:
        return None
    if not isinstance(consent, Mapping):
        notes.append("consent: expected a mapping, taken as denied")
        return dict.fromkeys(SIGNALS, "denied")
    stated: dict[str, str] = {}
    for signal in SIGNALS:
        value = consent.get(signal)
        text = as_text(value).strip().lower() if value is not None else ""
        if value is None or value == "" or is_placeholder(text):
            continue
        stated[signal] = _MEANING.get(text, "denied")
        if text not in _MEANING:
            notes.append(f"consent {signal}: neither granted nor denied, taken as denied")
    return stated or None

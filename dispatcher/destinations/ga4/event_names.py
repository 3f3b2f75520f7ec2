"""The names of events and parameters that GA4 accepts. It responds 204 to any other, and drops it.

So names are checked in the configuration. Pure.
"""

from __future__ import annotations

import re

MAX_CHARACTERS = 40
"""The longest name of an event or a parameter (Measurement Protocol, "Limitations")."""

PREFIXES = ("_", "firebase_", "ga_", "google_", "gtag.")

# Measurement Protocol, "Reserved names". The help page's longer list for web streams (answer
# 13316687) also has `file_download` and others that Analytics collects automatically; the protocol accepts those.
RESERVED = frozenset({
    "ad_activeview", "ad_click", "ad_exposure", "ad_impression", "ad_query", "ad_reward", "adunit_exposure",
    "app_clear_data", "app_exception", "app_install", "app_remove", "app_store_refund", "app_update", "app_upgrade",
    "dynamic_link_app_open", "dynamic_link_app_update", "dynamic_link_first_open", "error", "firebase_campaign",
    "firebase_in_app_message_action", "firebase_in_app_message_dismiss", "firebase_in_app_message_impression",
    "first_open", "first_visit", "in_app_purchase", "os_update", "screen_view", "session_start", "user_engagement",
})  # fmt: skip
RESERVED_PREFIX = "notification_"
RESERVED_PARAMETERS = frozenset({"firebase_conversion"})

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ACCEPTED = re.compile(rf"(?!{'|'.join(map(re.escape, PREFIXES))})[A-Za-z][A-Za-z0-9_]{{0,{MAX_CHARACTERS - 1}}}")


def problem(name: str) -> str | None:
    """Return what is wrong with `name` as an event name, or None."""
    if name in RESERVED or name.startswith(RESERVED_PREFIX):
        return "GA4 reserves this name for events that it collects automatically"
    return _problem(name)


def parameter_problem(name: str) -> str | None:
    """Return what is wrong with `name` as a parameter name, or None."""
    if name in RESERVED_PARAMETERS:
        return "GA4 reserves this name"
    return _problem(name)


def is_parameter(name: str) -> bool:
    """Return whether `name` may be a parameter: the same as `parameter_problem`, for each event that is built."""
    return name not in RESERVED_PARAMETERS and _ACCEPTED.fullmatch(name) is not None


def _problem(name: str) -> str | None:
    if name.startswith(PREFIXES):
        return f"GA4 reserves names that begin with {', '.join(PREFIXES[:-1])} or {PREFIXES[-1]}"
    if not _NAME.fullmatch(name):
        return "GA4 accepts letters A to Z, digits and underscores, beginning with a letter"
    if len(name) > MAX_CHARACTERS:
        return f"longer than the {MAX_CHARACTERS} characters that GA4 accepts"
    return None

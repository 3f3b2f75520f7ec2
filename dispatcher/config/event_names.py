"""The names of events and parameters that each kind of destination accepts: tables with their sources. Pure.

No destination refuses a wrong name: Meta makes a custom event of `lead`, on which no campaign optimises, and GA4 responds
204 and drops reserved names. So names are checked in the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Callable

META_STANDARD = (
    "AddPaymentInfo", "AddToCart", "AddToWishlist", "CompleteRegistration", "Contact", "CustomizeProduct", "Donate",
    "FindLocation", "InitiateCheckout", "Lead", "PageView", "Purchase", "Schedule", "Search", "StartTrial",
    "SubmitApplication", "Subscribe", "ViewContent",
)  # fmt: skip
"""Meta Pixel, "Reference", standard events (destinations.md 1.7)."""

META_CHARACTERS = 50
"""Meta Pixel, "Conversion Tracking", custom events: names have at most 50 characters."""

GA4_CHARACTERS = 40
"""The longest name of an event or a parameter (Measurement Protocol, "Limitations"; destinations.md 2.2)."""

GA4_PREFIXES = ("_", "firebase_", "ga_", "google_", "gtag.")

# Measurement Protocol, "Reserved names" (destinations.md 2.2). The help page's longer list for web streams (answer
# 13316687) also has `file_download` and others that Analytics collects automatically; the protocol accepts those.
GA4_RESERVED = frozenset({
    "ad_activeview", "ad_click", "ad_exposure", "ad_impression", "ad_query", "ad_reward", "adunit_exposure",
    "app_clear_data", "app_exception", "app_install", "app_remove", "app_store_refund", "app_update", "app_upgrade",
    "dynamic_link_app_open", "dynamic_link_app_update", "dynamic_link_first_open", "error", "firebase_campaign",
    "firebase_in_app_message_action", "firebase_in_app_message_dismiss", "firebase_in_app_message_impression",
    "first_open", "first_visit", "in_app_purchase", "os_update", "screen_view", "session_start", "user_engagement",
})  # fmt: skip
GA4_RESERVED_PREFIX = "notification_"
GA4_RESERVED_PARAMETERS = frozenset({"firebase_conversion"})

ACTION_SOURCES = (
    "email", "website", "app", "phone_call", "chat", "physical_store", "system_generated", "business_messaging", "other",
)  # fmt: skip
"""Meta's values of action_source (destinations.md 1.7)."""

_GA4_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def problem_at_meta(name: str) -> str | None:
    """Return what is wrong with `name` as an event name at Meta, or None. Any name but the standard ones is custom."""
    if name in META_STANDARD:
        return None
    if standard := _STANDARD_BY_LETTERS.get(_letters(name)):
        return f"Meta's standard event is spelled {standard}; another spelling would be a custom event"
    if not name.isprintable() or name != name.strip() or not name:
        return "expected a name of printable characters, without spaces at either end"
    if len(name) > META_CHARACTERS:
        return f"longer than the {META_CHARACTERS} characters that Meta accepts"
    return None


def problem_at_ga4(name: str) -> str | None:
    """Return what is wrong with `name` as an event name at GA4, or None."""
    if name in GA4_RESERVED or name.startswith(GA4_RESERVED_PREFIX):
        return "GA4 reserves this name for events that it collects automatically"
    return _ga4_problem(name)


def parameter_problem(name: str) -> str | None:
    """Return what is wrong with `name` as a parameter name, or None. GA4's rule, the strictest, applies everywhere."""
    if name in GA4_RESERVED_PARAMETERS:
        return "GA4 reserves this name"
    return _ga4_problem(name)


def _ga4_problem(name: str) -> str | None:
    if name.startswith(GA4_PREFIXES):
        return f"GA4 reserves names that begin with {', '.join(GA4_PREFIXES[:-1])} or {GA4_PREFIXES[-1]}"
    if not _GA4_NAME.fullmatch(name):
        return "GA4 accepts letters A to Z, digits and underscores, beginning with a letter"
    if len(name) > GA4_CHARACTERS:
        return f"longer than the {GA4_CHARACTERS} characters that GA4 accepts"
    return None


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_STANDARD_BY_LETTERS = {_letters(name): name for name in META_STANDARD}

EVENT_NAMES: dict[str, Callable[[str], str | None]] = {"meta": problem_at_meta, "ga4": problem_at_ga4}
"""Kind of destination → the rule for its event names."""

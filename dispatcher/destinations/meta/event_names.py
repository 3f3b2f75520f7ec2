"""The names of events that Meta accepts. It refuses no other: it makes a custom event of `lead`, on which no campaign optimises.

So names are checked in the configuration. Pure.
"""

from __future__ import annotations

import re

STANDARD = (
    "AddPaymentInfo", "AddToCart", "AddToWishlist", "CompleteRegistration", "Contact", "CustomizeProduct", "Donate",
    "FindLocation", "InitiateCheckout", "Lead", "PageView", "Purchase", "Schedule", "Search", "StartTrial",
    "SubmitApplication", "Subscribe", "ViewContent",
)  # fmt: skip
"""Meta Pixel, "Reference", standard events (https://developers.facebook.com/docs/meta-pixel/reference)."""

MAX_CHARACTERS = 50
"""Meta Pixel, "Conversion Tracking", custom events: names have at most 50 characters."""


def problem(name: str) -> str | None:
    """Return what is wrong with `name` as an event name, or None. Any name but the standard ones is custom."""
    if name in STANDARD:
        return None
    if standard := _STANDARD_BY_LETTERS.get(_letters(name)):
        return f"Meta's standard event is spelled {standard}; another spelling would be a custom event"
    if not name.isprintable() or name != name.strip() or not name:
        return "expected a name of printable characters, without spaces at either end"
    if len(name) > MAX_CHARACTERS:
        return f"longer than the {MAX_CHARACTERS} characters that Meta accepts"
    return None


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_STANDARD_BY_LETTERS = {_letters(name): name for name in STANDARD}

"""Mask a payload: shorten hashes, cut IP addresses and user agents, and hide free text. Pure."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from ipaddress import ip_address
from typing import Any

from outbox.personal_data import holds_email

SHOWN = 8
"""How many characters of a hash are shown: enough to compare, too few to look somebody up."""
SHOWN_OF_AGENT = 40

# Optionally with the appendix of Meta's parameter builder. GA4's user properties hold hashes cut at 36 characters.
_HASH = re.compile(r"[0-9a-f]{36,64}(\.[A-Za-z0-9_-]{2,8})?")
_IDS = frozenset({"event_id", "transaction_id", "order_id"})
"""Fields whose value is an id from the CRM, whatever it looks like."""

_BROWSER = frozenset({"fbp", "fbc", "client_id"})
"""Fields whose value is the id of a browser."""
_PAGES = frozenset({"event_source_url", "referrer_url"})
_SHOWN_OF_KEY = 2

_PARAMETERS = frozenset({"custom_data", "params"})
"""The objects of a payload that hold the event's details, under names that the CRM chose."""
_SAFE = _IDS | {
    "affiliation", "brand", "campaign", "category", "content_category", "content_ids", "content_name", "content_type",
    "contents", "coupon", "currency", "delivery_category", "fb_loc", "fb_source", "form", "id", "item_brand",
    "item_category", "item_category2", "item_category3", "item_category4", "item_category5", "item_id", "item_list_id",
    "item_list_name", "item_name", "item_number", "item_variant", "items", "lead_campaign", "lead_content", "lead_medium",
    "lead_source", "lead_term", "location_id", "method", "product", "session_id", "status", "title",
}  # fmt: skip
"""Parameters whose text comes from the funnel or the campaign. Any other may be what somebody typed."""


def masked(body: dict[str, Any], configured: AbstractSet[str] = frozenset()) -> dict[str, Any]:
    """Return a payload as it may be shown; `configured` names the parameters whose value is set in the configuration."""
    return {
        name: _parameters(value, _SAFE | configured) if name in _PARAMETERS else _shown(name, value, configured)
        for name, value in body.items()
    }


def key(value: str) -> str:
    """Return a key from the CRM as it may be shown: a key that holds an e-mail address is cut."""
    return f"{value[:_SHOWN_OF_KEY]}…" if holds_email(value) else value


def _parameters(value: Any, safe: AbstractSet[str], name: str | None = None) -> Any:
    """Return parameters as they may be shown: text only under a name in `safe`."""
    if isinstance(value, dict):
        return {name: _parameters(item, safe, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_parameters(item, safe, name) for item in value]
    return _shown(name, value) if name in safe or not isinstance(value, str) else "…"


def _shown(name: str | None, value: Any, configured: AbstractSet[str] = frozenset()) -> Any:
    if isinstance(value, dict):
        return masked(value, configured)
    if isinstance(value, list):
        return [_shown(name, item, configured) for item in value]
    if not isinstance(value, str):
        return value
    if name == "client_ip_address":
        return _network(value)
    if name == "client_user_agent":
        return value if len(value) <= SHOWN_OF_AGENT else f"{value[:SHOWN_OF_AGENT]}…"
    if name in _BROWSER:
        return f"{value[: min(SHOWN, len(value) // 2)]}…"
    if name in _PAGES:
        page, question_mark, _ = value.partition("?")
        return f"{key(page)}?…" if question_mark else key(page)
    return f"{value[:SHOWN]}…" if name not in _IDS and _HASH.fullmatch(value) else key(value)


def _network(value: str) -> str:
    """Return an IP address without the part that identifies one customer of a network."""
    try:
        address = ip_address(value)
    except ValueError:
        return "…"
    if address.version == 4:
        return value.rpartition(".")[0] + ".…"
    return ":".join(address.exploded.split(":")[:3]) + ":…"

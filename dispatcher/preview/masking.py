"""Mask a payload: shorten hashes, cut IP addresses and user agents, and hide free text. Pure."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from ipaddress import ip_address
from typing import Any

from dispatcher.destinations.payload_fields import PayloadFields
from outbox.personal_data import holds_email

SHOWN = 8
"""How many characters of a hash are shown: enough to compare, too few to look somebody up."""
SHOWN_OF_AGENT = 40

# Optionally with the appendix of a parameter builder; some properties hold hashes cut at 36 characters.
_HASH = re.compile(r"[0-9a-f]{36,64}(\.[A-Za-z0-9_-]{2,8})?")
_SHOWN_OF_KEY = 2

_SAFE = frozenset({
    "affiliation", "brand", "campaign", "category", "content_category", "content_ids", "content_name", "content_type",
    "contents", "coupon", "currency", "delivery_category", "fb_loc", "fb_source", "form", "id", "item_brand",
    "item_category", "item_category2", "item_category3", "item_category4", "item_category5", "item_id", "item_list_id",
    "item_list_name", "item_name", "item_number", "item_variant", "items", "lead_campaign", "lead_content", "lead_medium",
    "lead_source", "lead_term", "location_id", "method", "product", "session_id", "status", "title",
})  # fmt: skip
"""Parameters whose text comes from the funnel or the campaign. Any other may be what somebody typed."""


def masked(body: dict[str, Any], fields: PayloadFields, configured: AbstractSet[str] = frozenset()) -> dict[str, Any]:
    """Return a payload as it may be shown; `configured` names the parameters whose value is set in the configuration."""
    return {
        name: (
            _parameters(value, fields, _SAFE | fields.ids | fields.safe | configured)
            if name in fields.parameters
            else _shown(name, value, fields, configured)
        )
        for name, value in body.items()
    }


def key(value: str) -> str:
    """Return a key from the CRM as it may be shown: a key that holds an e-mail address is cut."""
    return f"{value[:_SHOWN_OF_KEY]}…" if holds_email(value) else value


def _parameters(value: Any, fields: PayloadFields, safe: AbstractSet[str], name: str | None = None) -> Any:
    """Return parameters as they may be shown: text only under a name in `safe`."""
    if isinstance(value, dict):
        return {name: _parameters(item, fields, safe, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_parameters(item, fields, safe, name) for item in value]
    return _shown(name, value, fields) if name in safe or not isinstance(value, str) else "…"


def _shown(name: str | None, value: Any, fields: PayloadFields, configured: AbstractSet[str] = frozenset()) -> Any:
    if isinstance(value, dict):
        return masked(value, fields, configured)
    if isinstance(value, list):
        return [_shown(name, item, fields, configured) for item in value]
    if not isinstance(value, str):
        return value
    if name in fields.networks:
        return _network(value)
    if name in fields.agents:
        return value if len(value) <= SHOWN_OF_AGENT else f"{value[:SHOWN_OF_AGENT]}…"
    if name in fields.browsers:
        return f"{value[: min(SHOWN, len(value) // 2)]}…"
    if name in fields.pages:
        page, question_mark, _ = value.partition("?")
        return f"{key(page)}?…" if question_mark else key(page)
    return f"{value[:SHOWN]}…" if name not in fields.ids and _HASH.fullmatch(value) else key(value)


def _network(value: str) -> str:
    """Return an IP address without the part that identifies one customer of a network."""
    try:
        address = ip_address(value)
    except ValueError:
        return "…"
    if address.version == 4:
        return value.rpartition(".")[0] + ".…"
    return ":".join(address.exploded.split(":")[:3]) + ":…"

"""What is shown of a payload: hashes shortened, an IP address without its last part, a user agent cut. Pure."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

SHOWN = 8
"""So many characters of a hash: enough to compare, too few to look somebody up."""
SHOWN_OF_AGENT = 40

# With the appendix of Meta's parameter builder; GA4's user properties hold a hash cut at 36.
_HASH = re.compile(r"[0-9a-f]{36,64}(\.[A-Za-z0-9_-]{2,8})?")
_IDS = frozenset({"event_id", "transaction_id", "order_id"})
"""Fields whose value is an id of the CRM's, whatever it looks like."""


def masked(body: dict[str, Any]) -> dict[str, Any]:
    """Give a payload as it may be shown."""
    return {name: _shown(name, value) for name, value in body.items()}


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return masked(value)
    if isinstance(value, list):
        return [_shown(name, item) for item in value]
    if not isinstance(value, str):
        return value
    if name == "client_ip_address":
        return _network(value)
    if name == "client_user_agent":
        return value if len(value) <= SHOWN_OF_AGENT else f"{value[:SHOWN_OF_AGENT]}…"
    return f"{value[:SHOWN]}…" if name not in _IDS and _HASH.fullmatch(value) else value


def _network(value: str) -> str:
    """Give an address without what tells one customer of a network from another."""
    try:
        address = ip_address(value)
    except ValueError:
        return "…"
    if address.version == 4:
        return value.rpartition(".")[0] + ".…"
    return ":".join(address.exploded.split(":")[:3]) + ":…"

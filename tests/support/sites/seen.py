"""What a site's handlers share with the test that sends them a request."""

from __future__ import annotations

from typing import Any

from outbox import Visitor

_options: dict[str, Any] = {}
_visitors: list[Visitor] = []


def expect(**given: Any) -> None:
    """Let the next handler read its visitor with these options."""
    _options.clear()
    _options.update(given)
    _visitors.clear()


def options() -> dict[str, Any]:
    """Return the options of the request that is handled."""
    return dict(_options)


def remember(visitor: Visitor) -> None:
    """Keep what a handler saw."""
    _visitors.append(visitor)


def seen() -> list[Visitor]:
    """Return what handlers saw since the last `expect`."""
    return list(_visitors)

"""State shared by a site's handlers and the test that sends them a request."""

from __future__ import annotations

from typing import Any

from outbox import Visitor

_options: dict[str, Any] = {}
_visitors: list[Visitor] = []


def expect(**given: Any) -> None:
    """Make the next handler read its visitor with these options."""
    _options.clear()
    _options.update(given)
    _visitors.clear()


def options() -> dict[str, Any]:
    """Return the options for the current request."""
    return dict(_options)


def remember(visitor: Visitor) -> None:
    """Store the visitor that a handler read."""
    _visitors.append(visitor)


def seen() -> list[Visitor]:
    """Return the visitors that handlers read since the last `expect`."""
    return list(_visitors)

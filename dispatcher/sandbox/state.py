"""The parts of one sandbox: its clock, its ledger, its faults, and its accepted credentials."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from aiohttp import web

from dispatcher.sandbox.faults import Faults
from dispatcher.sandbox.ledger import Destination, Ledger

__all__ = ["SANDBOX", "Sandbox", "same_secret"]


@dataclass
class Sandbox:
    """A running sandbox. Tests read `url`, `ledger` and `faults`; a field that is None accepts any value."""

    clock: Callable[[], float]
    ledger: Ledger
    pixel_ids: Collection[str] | None = None
    token: str | None = field(default=None, repr=False)
    measurement_ids: Collection[str] | None = None
    api_secret: str | None = field(default=None, repr=False)
    faults: dict[Destination, Faults] = field(default_factory=lambda: {"meta": Faults(), "ga4": Faults()})
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""


def same_secret(expected: str | None, given: object) -> bool:
    """Return whether a token or secret is valid. If none is expected, any that is not empty is."""
    if not isinstance(given, str) or not given.strip():
        return False
    return expected is None or hmac.compare_digest(expected.encode(), given.strip().encode())


SANDBOX = web.AppKey("SANDBOX", Sandbox)

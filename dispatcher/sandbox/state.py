"""The parts of one sandbox: its clock, its ledger, its faults, and the credentials that it accepts."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from aiohttp import web

from dispatcher.sandbox.faults import Faults
from dispatcher.sandbox.ledger import Ledger

__all__ = ["SANDBOX", "Accepted", "Sandbox", "same_secret"]


@dataclass
class Accepted:
    """What one destination accepts; None: any value."""

    ids: Collection[str] | None = None
    secret: str | None = field(default=None, repr=False)


@dataclass
class Sandbox:
    """A running sandbox. Tests read `url`, `ledger`, `faults` and `accepted`, the last two by destination."""

    clock: Callable[[], float]
    ledger: Ledger
    accepted: dict[str, Accepted]
    faults: dict[str, Faults]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""


def same_secret(expected: str | None, given: object) -> bool:
    """Return whether a token or secret is valid. If none is expected, any that is not empty is."""
    if not isinstance(given, str) or not given.strip():
        return False
    return expected is None or hmac.compare_digest(expected.encode(), given.strip().encode())


SANDBOX = web.AppKey("SANDBOX", Sandbox)

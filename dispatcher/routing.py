"""The funnel and the switches, as the tables say now: read again every few seconds, so that a switch takes effect."""

from __future__ import annotations

from time import monotonic

import msgspec

from dispatcher.database.connections import Queries
from dispatcher.models import Mapping

FRESH_SECONDS = 2.0


class DestinationWords(msgspec.Struct, frozen=True):
    """One destination's row, and what each step is called there."""

    id: int
    name: str
    kind: str
    enabled: bool
    paused: bool
    mappings: dict[str, Mapping]


class Words:
    """The tables of words, cached; `latest` is what was read last."""

    def __init__(self, database: Queries) -> None:
        self._database = database
        self._read_at = -FRESH_SECONDS
        self.latest: dict[str, DestinationWords] = {}

    async def destinations(self) -> dict[str, DestinationWords]:
        """Give all destinations by name."""
        if monotonic() - self._read_at >= FRESH_SECONDS:
            rows = await self._database.run("read_routing")
            found: dict[str, DestinationWords] = {}
            for id_, name, kind, enabled, paused, step, *mapping in rows:
                words = found.setdefault(name, DestinationWords(id_, name, kind, enabled, paused, {}))
                if step is not None:
                    words.mappings[step] = Mapping(*mapping)
            self.latest = found
            self._read_at = monotonic()
        return self.latest

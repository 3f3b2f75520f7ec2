"""Match quality at a kind of destination: the identifiers it takes, their weights, and what to change for more of them.

The tables themselves are in the package of each kind.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Identifier(msgspec.Struct, frozen=True):
    """A field that identifies a person: its name at the destination, and a label for display.

    `rank`: what the destination's own page says of it. `weight`: of 10 in the estimate; 0: there is no estimate.
    `api_name`: its name where the destination reports quality itself.
    """

    field: str
    label: str
    rank: str = ""
    weight: float = 0.0
    api_name: str = ""


class Change(msgspec.Struct, frozen=True):
    """A change in the CRM or its pages, and the fields that it would fill.

    `needs_browser`: useful only for events from a browser, not for those that a payment provider reports.
    """

    fields: tuple[str, ...]
    do: str
    needs_browser: bool = False


class MatchQuality(msgspec.Struct, frozen=True):
    """How well events identify people at one kind of destination.

    `identifiers`: the most important first. `changes`: what can fill them. `enough`: a gain below this is not worth a change:
    of 10 where the identifiers have weights, else as a share of the events. `browserless`: event names that never come from
    a browser. `explanation`: what the numbers can and cannot say.
    """

    identifiers: tuple[Identifier, ...] = ()
    changes: tuple[Change, ...] = ()
    enough: float = 0.2
    browserless: frozenset[str] = frozenset()
    explanation: str = ""

    @property
    def has_estimate(self) -> bool:
        """Whether there is an estimate out of 10."""
        return any(each.weight for each in self.identifiers)

    def estimate(self, events: int, fields: Mapping[str, int]) -> float | None:
        """Return the estimated match quality, 0 to 10, of `events` of which `fields[name]` carry each field.

        It is the mean over the single events; None without events, or where no identifier has a weight.
        """
        if not events or not self.has_estimate:
            return None
        weighted = (each.weight * min(fields.get(each.field, 0) / events, 1.0) for each in self.identifiers)
        return round(sum(weighted), 1)

    def advise(self, events: int, fields: Mapping[str, int], *, has_browser: bool = True) -> str | None:
        """Return what to change first, with the share of events that lack it; None if nothing is worth it.

        `fields[name]` of `events` carry each field.
        """
        if not events:
            return None
        weights = {each.field: each.weight for each in self.identifiers} if self.has_estimate else {}
        gains = [
            (sum(weights.get(name, 1.0) * _lacking(events, fields, name) for name in change.fields), change)
            for change in self.changes
            if has_browser or not change.needs_browser
        ]
        gain, best = max(gains, key=lambda scored: scored[0], default=(0.0, None))
        if best is None or gain < self.enough:
            return None
        lacking = max(_lacking(events, fields, name) for name in best.fields)
        return f"{best.do} ({lacking:.0%} lack it)"


class OwnScores(msgspec.Struct, frozen=True):
    """A destination's own scores: event name there → 0 to 10. `problem`: why there are none."""

    scores: dict[str, float]
    problem: str | None = None


def _lacking(events: int, fields: Mapping[str, int], name: str) -> float:
    return 1 - min(fields.get(name, 0) / events, 1.0)

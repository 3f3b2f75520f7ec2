"""Faults on demand: failures of a destination, or of the network in between.

A plan per destination, set by `PUT /faults`, defines how often each fault happens, or in which order. The choice comes
from a random generator seeded by the plan, so that the same requests in the same order meet the same faults.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, Literal
from zlib import crc32

import msgspec

__all__ = ["COMMON", "Fault", "Faults", "Plan"]

Stage = Literal["before", "instead", "after"]


class Fault(msgspec.Struct, frozen=True):
    """One kind of fault. Only with stage `after` are the events recorded.

    before: the connection ends before the body is read. instead: the body is read, nothing is recorded, and another
    response is sent. after: everything is recorded as usual; then the response is late, lost or wrong. `is_halting`: the
    probe of a halted destination can meet it, too.
    """

    stage: Stage
    does: str
    is_halting: bool = False


COMMON: dict[str, Fault] = {
    "reset_before": Fault("before", "resets the connection before reading the request"),
    "http_500": Fault("instead", "HTTP 500"),
    "http_503": Fault("instead", "HTTP 503"),
    "html_502": Fault("instead", "HTTP 502 with a proxy's HTML page"),
    "throttled": Fault("instead", "HTTP 429 with Retry-After"),
    "reset_after_accept": Fault("after", "records, then resets the connection instead of answering"),
    "hang_after_accept": Fault("after", "records, then never answers; resets after `hang_seconds`"),
    "garbage": Fault("after", "records, then answers 200 with something that is not JSON"),
    "slow": Fault("after", "records, then answers after `slow_ms`"),
}
"""The faults of any destination over HTTP; what is special to one is in its `StandIn.faults`."""


class Plan(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The plan of one destination. `script` comes first, one entry per request (`ok`: no fault); then `rates`.

    `reject_event_ids`, `reject_modulo` (n: event ids whose crc32 is a multiple of n): a destination that refuses requests
    refuses the whole one that contains such an event, as long as the plan is in force.
    """

    seed: int = 0
    rates: dict[str, float] = {}
    script: list[str] = []
    slow_ms: int = 2000
    hang_seconds: float = 60
    regain_minutes: int = 1
    retry_after: int = 1
    reject_event_ids: frozenset[str] = frozenset()
    reject_modulo: int = 0

    def check(self, destination: str, possible: Mapping[str, Fault]) -> None:
        """Raise ValueError, with a sentence, if the plan contains a fault that `destination` does not have."""
        if unknown := sorted({*self.rates, *self.script} - possible.keys() - {"ok"}):
            raise ValueError(f"{destination} has no fault {unknown[0]!r}; it has: {', '.join(sorted(possible))}")
        if any(rate < 0 for rate in self.rates.values()) or sum(self.rates.values()) > 1 + 1e-9:
            raise ValueError(f"the rates of {destination} must be at least 0 and add up to at most 1")

    def rejects(self, event_id: str) -> bool:
        """Return whether the request that contains this event must be refused."""
        if event_id in self.reject_event_ids:
            return True
        return self.reject_modulo > 0 and crc32(event_id.encode()) % self.reject_modulo == 0


class Faults:
    """The faults of one destination: those that are `possible`, its plan, and the number of faults injected."""

    def __init__(self, possible: Mapping[str, Fault] = COMMON, plan: Plan | None = None) -> None:
        self.possible = possible
        self.injected: Counter[str] = Counter()
        self.requests = 0
        self.follow(plan or Plan())

    def follow(self, plan: Plan) -> None:
        """Follow another plan from its beginning. The counts of injected faults are kept."""
        self.plan = plan
        self._script = deque(plan.script)
        self._kinds = [*plan.rates, "ok"]
        self._bounds = list(accumulate(plan.rates.values()))
        self._random = random.Random(plan.seed)
        self._probes = random.Random(plan.seed + 1)  # so that probes do not disturb the order

    def draw(self) -> str:
        """Return the fault of the next request, or an empty string."""
        self.requests += 1
        if self._script:
            return self._count(self._script.popleft())
        if not self._bounds:
            return ""
        return self._count(self._choose(self._random))

    def draw_probe(self) -> str:
        """Return the fault of a probe: only halting ones, only by rates; the script is for requests with events."""
        kind = self._choose(self._probes)
        return self._count(kind) if kind != "ok" and self.possible[kind].is_halting else ""

    def toss(self) -> bool:
        """Return True or False at random, from the plan's generator."""
        return self._random.random() < 0.5

    def report(self) -> dict[str, Any]:
        """Return the JSON of `GET /faults` for this destination."""
        return {
            "requests": self.requests,
            "injected": dict(sorted(self.injected.items())),
            "script_left": len(self._script),
            "plan": self.plan,
        }

    def _choose(self, generator: random.Random) -> str:
        drawn = generator.random()
        return next((kind for kind, bound in zip(self._kinds, self._bounds, strict=False) if drawn < bound), "ok")

    def _count(self, kind: str) -> str:
        if kind == "ok":
            return ""
        self.injected[kind] += 1
        return kind

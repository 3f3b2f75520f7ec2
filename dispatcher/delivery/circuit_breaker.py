"""The state of one destination in one process. Pure, except for the clock that it is given.

               ┌──── throttled ───▶ THROTTLED ──(the wait is over)────┐
    RUNNING ───┼──── halted ──────▶ HALTED ─────(a probe succeeds)────┼──▶ RUNNING
               └─ 5 failures in a row ▶ FAILING ─(a probe succeeds)────┘

A probe is a request with a single delivery, made at growing intervals. THROTTLED and HALTED use up no delivery's tries;
FAILING uses up those of the probes only, so that an outage does not exhaust the tries of a whole backlog.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from time import monotonic

from dispatcher.destinations.base import Outcome, Response

FAILURES = 5
"""This many failed requests in a row count as an outage."""
FIRST_PROBE = {"halted": 5.0, "failing": 1.0}
LONGEST_PROBE = {"halted": 300.0, "failing": 30.0}


class CircuitState(StrEnum):
    """Whether a destination takes deliveries."""

    RUNNING = "running"
    THROTTLED = "throttled"
    FAILING = "failing"
    HALTED = "halted"


class CircuitBreaker:
    """Decides from the last responses when the next request may be made."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._opens_at = 0.0
        self._probes = 0
        self._failures = 0
        self.state = CircuitState.RUNNING
        self.reason: str | None = None

    def pause(self) -> float:
        """Return the seconds until the next request may be made."""
        return max(0.0, self._opens_at - self._clock())

    @property
    def is_probing(self) -> bool:
        """Return whether the next request should carry a single delivery."""
        return self.state in {CircuitState.HALTED, CircuitState.FAILING}

    def record(self, response: Response) -> bool:
        """Record a response; return whether the state has changed."""
        before = self.state
        match response.outcome:
            case Outcome.HALTED:
                self._probe_later(CircuitState.HALTED, response.reason)
            case Outcome.THROTTLED:
                self.state, self.reason = CircuitState.THROTTLED, response.reason
                self._opens_at = max(self._opens_at, self._clock() + (response.wait or 1.0))
            case Outcome.TRANSIENT | Outcome.UNCERTAIN:
                self._failures += 1
                if self.state is CircuitState.HALTED and not self.pause():
                    self._probe_later(CircuitState.HALTED, self.reason)  # the probe did not get through either
                elif self._failures >= FAILURES and not self.pause():
                    self._probe_later(CircuitState.FAILING, response.reason)
            case Outcome.DELIVERED if response.wait:
                self._failures = 0
                self.state, self.reason = CircuitState.THROTTLED, response.reason
                self._opens_at = max(self._opens_at, self._clock() + response.wait)
            case Outcome.DELIVERED | Outcome.REJECTED:
                self._failures = 0
                # During a pause, this is the response to a request from before it.
                if not self.pause():
                    self.state, self.reason, self._probes = CircuitState.RUNNING, None, 0
        return self.state is not before

    def _probe_later(self, state: CircuitState, reason: str | None) -> None:
        if self.state is not state:
            self._probes = 0
        self.state, self.reason = state, reason
        pause = min(FIRST_PROBE[state] * 2**self._probes, LONGEST_PROBE[state])
        self._opens_at = max(self._opens_at, self._clock() + pause)
        self._probes += 1

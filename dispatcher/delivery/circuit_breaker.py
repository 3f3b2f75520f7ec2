"""The state of one destination in one process. Pure, except for the clock that it is given.

               ┌──── throttled ───▶ THROTTLED ──(the wait is over)────┐
    RUNNING ───┼──── halted ──────▶ HALTED ─────(a probe succeeds)────┼──▶ RUNNING
               └─ 5 failures in a row ▶ FAILING ─(a probe succeeds)────┘

HALTED also follows a run of refusals for one reason without a success: then it is not the events. A refused probe fails nothing
then.

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
REFUSALS = 5
"""This many deliveries refused one by one, for one reason and without a success, after a refused batch of `REFUSED_BATCH`."""
REFUSED_BATCH = 50
REFUSALS_ALONE = 25
"""The same without such a batch: so many bad events can come in a row."""
REFUSES_EVERYTHING = "refuses everything: "
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
        self._refusal: tuple[str | None, int | None, int | None] | None = None
        self._refused_singly = 0
        self._refused_batch = 0
        self.state = CircuitState.RUNNING
        self.reason: str | None = None

    def pause(self) -> float:
        """Return the seconds until the next request may be made."""
        return max(0.0, self._opens_at - self._clock())

    @property
    def is_probing(self) -> bool:
        """Return whether the next request should carry a single delivery."""
        return self.state in {CircuitState.HALTED, CircuitState.FAILING}

    @property
    def refuses_everything(self) -> bool:
        """Return whether the destination is halted because it refused whatever it got: then no single event is to blame."""
        return self.state is CircuitState.HALTED and (self.reason or "").startswith(REFUSES_EVERYTHING)

    def record(self, response: Response, events: int = 1) -> bool:
        """Record a response to a request with so many events; return whether the state has changed."""
        before = self.state
        if self._is_not_the_events(response, events):
            self._failures = 0
            self._probe_later(CircuitState.HALTED, f"{REFUSES_EVERYTHING}{response.reason or 'rejected'}")
        else:
            self._record(response)
        return self.state is not before

    def _record(self, response: Response) -> None:
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

    def _is_not_the_events(self, response: Response, events: int) -> bool:
        """Count a response; return whether there were too many refusals without a success."""
        if response.outcome is Outcome.DELIVERED:
            self._refusal, self._refused_singly, self._refused_batch = None, 0, 0
        if response.outcome is not Outcome.REJECTED:
            return False
        refusal = (response.reason, response.code, response.subcode)
        if refusal != self._refusal:
            self._refusal, self._refused_singly, self._refused_batch = refusal, 0, 0
        self._refused_batch = max(self._refused_batch, events)
        self._refused_singly += events == 1
        enough = REFUSALS if self._refused_batch >= REFUSED_BATCH else REFUSALS_ALONE
        return self._refused_singly >= enough or self.refuses_everything

    def _probe_later(self, state: CircuitState, reason: str | None) -> None:
        if self.state is not state:
            self._probes = 0
        self.state, self.reason = state, reason
        pause = min(FIRST_PROBE[state] * 2**self._probes, LONGEST_PROBE[state])
        self._opens_at = max(self._opens_at, self._clock() + pause)
        self._probes += 1

from __future__ import annotations

import pytest

from dispatcher.delivery.circuit_breaker import (
    FAILURES,
    FIRST_PROBE,
    LONGEST_PROBE,
    REFUSALS,
    REFUSALS_ALONE,
    CircuitBreaker,
    CircuitState,
)
from dispatcher.destinations.base import Outcome, Response

DELIVERED = Response(Outcome.DELIVERED)
FAILED = Response(Outcome.TRANSIENT, "server error")


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def circuit(clock):
    return CircuitBreaker(clock)


def test_a_new_circuit_is_running(circuit):
    assert (circuit.state, circuit.pause(), circuit.is_probing) == (CircuitState.RUNNING, 0, False)


def test_throttled_backs_off_for_as_long_as_the_destination_asks(circuit, clock):
    assert circuit.record(Response(Outcome.THROTTLED, wait=60))
    assert circuit.pause() == 60
    circuit.record(DELIVERED)  # the response to an earlier request
    assert (circuit.state, circuit.pause()) == (CircuitState.THROTTLED, 60)
    clock.now += 60
    assert circuit.pause() == 0
    assert not circuit.is_probing
    circuit.record(DELIVERED)
    assert circuit.state is CircuitState.RUNNING


def test_halted_probes_with_one_delivery_at_growing_intervals_and_resumes_automatically(circuit, clock):
    pauses = []
    for _ in range(12):
        circuit.record(Response(Outcome.HALTED, "access token invalid or expired"))
        assert circuit.state is CircuitState.HALTED
        assert circuit.is_probing
        pauses.append(circuit.pause())
        clock.now += circuit.pause()
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PROBE["halted"]
    assert circuit.record(DELIVERED)
    assert (circuit.state, circuit.reason, circuit.is_probing) == (CircuitState.RUNNING, None, False)


def test_an_outage_is_probed_and_a_single_failure_is_not_one(circuit, clock):
    for _ in range(FAILURES - 1):
        assert not circuit.record(FAILED)
    circuit.record(DELIVERED)
    for _ in range(FAILURES):
        circuit.record(FAILED)
    assert (circuit.state, circuit.is_probing) == (CircuitState.FAILING, True)
    assert circuit.pause() > 0
    clock.now += circuit.pause()
    circuit.record(DELIVERED)
    assert circuit.state is CircuitState.RUNNING


def test_an_unreachable_halted_destination_is_probed_at_growing_intervals_too(circuit, clock):
    circuit.record(Response(Outcome.HALTED, "access token invalid or expired"))
    for _ in range(10):
        clock.now += circuit.pause()
        circuit.record(FAILED)
        assert (circuit.state, circuit.reason) == (CircuitState.HALTED, "access token invalid or expired")
    assert circuit.pause() == LONGEST_PROBE["halted"]


def test_a_rejected_event_shows_that_the_destination_works(circuit):
    for _ in range(20):
        circuit.record(Response(Outcome.REJECTED))
    assert circuit.state is CircuitState.RUNNING


REFUSED = Response(Outcome.REJECTED, "invalid parameter", 400, 100, 2804016)


def refuse(circuit, times, response=REFUSED, events=1):
    for _ in range(times):
        circuit.record(response, events)


def test_a_run_of_single_refusals_after_a_refused_batch_halts(circuit, clock):
    refuse(circuit, 1, events=1000)
    refuse(circuit, REFUSALS - 1)
    assert circuit.state is CircuitState.RUNNING
    refuse(circuit, 1)
    assert (circuit.state, circuit.refuses_everything) == (CircuitState.HALTED, True)
    assert circuit.reason == "refuses everything: invalid parameter"
    assert circuit.is_probing
    clock.now += circuit.pause()
    refuse(circuit, 1)  # the probe
    assert (circuit.state, circuit.pause() > FIRST_PROBE["halted"]) == (CircuitState.HALTED, True)
    clock.now += circuit.pause()
    circuit.record(DELIVERED)
    assert circuit.state is CircuitState.RUNNING


def test_bad_events_in_a_row_do_not_halt(circuit):
    refuse(circuit, REFUSALS_ALONE - 1)
    assert circuit.state is CircuitState.RUNNING
    circuit.record(DELIVERED)
    refuse(circuit, REFUSALS_ALONE - 1)
    assert circuit.state is CircuitState.RUNNING
    refuse(circuit, 1)
    assert circuit.state is CircuitState.HALTED


def test_refusals_for_different_reasons_are_the_events(circuit):
    other = Response(Outcome.REJECTED, "too large", 413)
    for _ in range(REFUSALS_ALONE):
        refuse(circuit, 1, REFUSED, 1000)
        refuse(circuit, 1, other)
    assert circuit.state is CircuitState.RUNNING

"""When a request may be made, when it was made, and what a refusal costs; clock and destination are the test's."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import msgspec
import pytest

from dispatcher.delivery.circuit_breaker import REFUSALS, CircuitBreaker, CircuitState
from dispatcher.delivery.request_sender import REFUSED_SECONDS, LeaseInProgress, RequestSender
from dispatcher.destinations.base import Limits, Outcome, Payload, Response
from dispatcher.in_flight import InFlight
from tests.support.examples import NOW, delivery

DELIVERED = Response(Outcome.DELIVERED, status=200)
REFUSED = Response(Outcome.REJECTED, "invalid parameter", 400, 100)


class Settling:
    """What a batch settler is to the sender."""

    def __init__(self):
        self.may_send = True
        self.settled = []

    def add(self, *settlements):
        self.settled += settlements

    def outcomes(self):
        return [each.outcome for each in self.settled]


class World:
    """A destination whose every response takes `seconds` and is `answer` of the events' ids."""

    name = "meta"

    def __init__(self):
        self.limits = Limits(timedelta(days=7), timedelta(hours=47), batch=1000, concurrency=4)
        self.now = NOW
        self.seconds = 0.0
        self.answer = lambda _ids: DELIVERED
        self.requests = []
        self.settling = Settling()
        self.circuit = CircuitBreaker()
        self.sender = RequestSender(self, self.circuit, SimpleNamespace(requested=lambda *_: None))

    async def send(self, payloads):
        ids = [payload.delivery.event.id for payload in payloads]
        self.requests.append(ids)
        self.now += timedelta(seconds=self.seconds)
        return self.answer(ids)

    async def deliver(self, deliveries):
        entry = InFlight.private().enter(1)
        entry.hold(deliveries)
        payloads = [Payload(each, b"{}", []) for each in deliveries]
        await self.sender.send_all([payloads], LeaseInProgress(self.settling, lambda: self.now, entry))


@pytest.fixture
def world():
    return World()


def deliveries(count, **fields):
    return [delivery(id=number, event_id=str(number), **fields) for number in range(count)]


async def test_a_lease_that_may_be_lost_is_not_sent(world):
    world.settling.may_send = False
    await world.deliver(deliveries(3))
    assert world.requests == []
    assert world.settling.outcomes() == ["returned"] * 3


async def test_a_lease_that_is_lost_while_a_batch_is_bisected_is_sent_no_further(world):
    def lose_it(_ids):
        world.settling.may_send = len(world.requests) < 3
        return REFUSED

    world.answer = lose_it
    await world.deliver(deliveries(64))
    assert len(world.requests) == 3
    assert world.settling.outcomes() == ["returned"] * 64


async def test_a_sender_that_stops_makes_no_request_more(world):
    world.sender.stop()
    await world.deliver(deliveries(2))
    assert world.requests == []
    assert [each.due_at for each in world.settling.settled] == [NOW] * 2


async def test_the_time_of_sending_is_that_of_the_request_not_of_its_response(world):
    world.seconds = 25
    await world.deliver(deliveries(1))
    assert world.settling.settled[0].sent_at == NOW
    world.answer = lambda _ids: Response(Outcome.UNCERTAIN, "timeout")
    await world.deliver(deliveries(1))
    settlement = world.settling.settled[1]
    assert settlement.unknown_at == NOW + timedelta(seconds=25)
    assert settlement.due_at > NOW + timedelta(seconds=50)


async def test_a_request_that_is_cancelled_has_an_unknown_outcome_since_it_was_sent(world):
    begun = asyncio.Event()

    async def hang(_payloads):
        begun.set()
        await asyncio.Event().wait()

    world.send = hang
    task = asyncio.create_task(world.deliver(deliveries(1)))
    await begun.wait()
    world.sender.cancel()
    await asyncio.wait([task], timeout=0.1)
    assert [(each.outcome, each.unknown_at) for each in world.settling.settled] == [("uncertain", NOW)]
    task.cancel()


@pytest.mark.parametrize(("after_merge", "end"), [(False, "failed"), (True, "skipped")])
async def test_no_request_begins_after_the_window_however_long_a_bisection_takes(world, after_merge, end):
    """47 hours after the first send, Meta would soon count a repeat again."""
    first = NOW - timedelta(hours=46, minutes=59)
    world.seconds, world.answer = 20, lambda _ids: REFUSED
    await world.deliver(
        [msgspec.structs.replace(each, after_merge=after_merge) for each in deliveries(64, first_unknown_at=first)]
    )
    assert len(world.requests) == 3
    assert world.settling.outcomes() == [end] * 64


async def test_one_bad_event_fails_alone(world):
    world.answer = lambda ids: REFUSED if 7 in ids else DELIVERED
    await world.deliver(deliveries(100))
    assert [each.event_id for each in world.settling.settled if each.outcome == "failed"] == [7]
    assert world.settling.outcomes().count("delivered") == 99


async def test_when_everything_is_refused_only_those_asked_singly_fail(world):
    world.answer = lambda _ids: REFUSED
    await world.deliver(deliveries(300))
    assert world.circuit.state is CircuitState.HALTED
    assert world.settling.outcomes().count("failed") == REFUSALS - 1
    assert world.settling.outcomes().count("returned") == 300 - (REFUSALS - 1)
    assert len(world.requests) < 40
    world.circuit._opens_at = 0  # a probe is due
    before = len(world.settling.settled)
    await world.deliver(deliveries(1))
    (probe,) = world.settling.settled[before:]
    assert (probe.outcome, probe.due_at) == ("returned", NOW + timedelta(seconds=REFUSED_SECONDS))
    assert world.circuit.state is CircuitState.HALTED

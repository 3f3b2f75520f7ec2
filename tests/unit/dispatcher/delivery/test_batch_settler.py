"""Settling a lease in batches over a network that loses replies."""

from __future__ import annotations

import asyncio
import gc
import weakref
from datetime import timedelta

import pytest

from dispatcher.delivery import batch_settler as module
from dispatcher.delivery.batch_settler import BatchSettler, clock
from dispatcher.models import Lease, Settlement
from tests.support.examples import NOW, delivery
from tests.support.waiting import until


class Queue:
    """A queue that accepts part of the settlements (the others took effect before), and may take its time."""

    def __init__(self, *, repeated=0, is_held=True):
        self.repeated = repeated
        self.is_held = is_held
        self.settled = []
        self.is_called = False
        self.may_reply = asyncio.Event()
        self.may_reply.set()

    async def settle(self, _, settlements):
        self.is_called = True
        await self.may_reply.wait()
        self.settled.extend(settlement.event_id for settlement in settlements)
        return len(settlements) - self.repeated

    async def extend(self, _):
        return self.is_held


LEASE = Lease(1, NOW, [delivery(id=number) for number in range(3)])


def delivered(number):
    return Settlement(number, 0, "delivered", status=200)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(module, "COLLECT_SECONDS", 0.01)


async def test_a_settlement_whose_reply_was_lost_does_not_lose_the_lease():
    queue = Queue(repeated=1)
    settling = BatchSettler(queue, LEASE, timedelta(seconds=60), clock())
    settling.add(delivered(0))
    await until(lambda: queue.settled == [0])
    queue.repeated = 0
    settling.add(delivered(1))
    await settling.close()
    assert queue.settled == [0, 1]
    assert not settling.is_lost


async def test_a_lease_that_was_settled_leaves_memory_at_once():
    settling = BatchSettler(Queue(), LEASE, timedelta(seconds=60), clock())
    settling.add(delivered(0))
    await settling.close()
    there = weakref.ref(settling)
    gc.disable()  # so many batches would wait for it
    try:
        del settling
        assert there() is None
    finally:
        gc.enable()


async def test_a_lease_that_is_gone_is_lost():
    queue = Queue(repeated=1, is_held=False)
    settling = BatchSettler(queue, LEASE, timedelta(seconds=60), clock())
    settling.add(delivered(0))
    await until(lambda: settling.is_lost)
    settling.add(delivered(1))
    await settling.close()
    assert queue.settled == [0]


async def test_closing_waits_for_the_settlement_in_progress():
    queue = Queue()
    queue.may_reply.clear()
    settling = BatchSettler(queue, LEASE, timedelta(seconds=60), clock())
    settling.add(delivered(0))
    await until(lambda: queue.is_called)
    closing = asyncio.create_task(settling.close())
    done, _ = await asyncio.wait({closing}, timeout=0.1)
    assert not done
    queue.may_reply.set()
    await closing
    assert queue.settled == [0]

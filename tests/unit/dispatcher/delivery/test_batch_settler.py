"""Settling a lease in batches over a network that loses replies."""

from __future__ import annotations

import asyncio
import gc
import weakref
from datetime import timedelta

import psycopg
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


class Picky:
    """A queue whose database does not take some settlements, as they are or at all."""

    def __init__(self, error, hated=(), *, takes_bare=True):
        self.error = error
        self.hated = hated
        self.takes_bare = takes_bare
        self.calls = []
        self.settled = []

    async def settle(self, _, settlements):
        self.calls.append(len(settlements))
        for settlement in settlements:
            is_bare = settlement.reason == module.UNWRITABLE and not (settlement.trace or settlement.sent)
            if settlement.event_id in self.hated and not (is_bare and self.takes_bare):
                raise self.error
        self.settled.extend(settlements)
        return len(settlements)

    async def extend(self, _):
        return True


async def settle(queue, count):
    lease = Lease(1, NOW, [delivery(id=number) for number in range(count)])
    settling = BatchSettler(queue, lease, timedelta(seconds=60), clock())
    told = [
        Settlement(number, 0, "delivered", "words", status=200, code=3, trace="t", account_id="A", sent="em:1")
        for number in range(count)
    ]
    settling.add(*told)
    try:
        await settling.close()
    finally:
        queue.settled.sort(key=lambda settlement: settlement.event_id)
    return settling, told


async def test_a_settlement_that_the_database_does_not_take_is_settled_bare_and_alone():
    queue = Picky(psycopg.errors.InvalidTextRepresentation(), {77})
    settling, told = await settle(queue, 200)
    bare = Settlement(77, 0, "delivered", module.UNWRITABLE, status=200, code=3)
    assert queue.settled == [*told[:77], bare, *told[78:]]
    assert len(queue.calls) <= 20
    assert not settling.is_lost
    assert settling._open == 0


async def test_several_that_the_database_does_not_take_harm_nobody_else():
    queue = Picky(psycopg.errors.DataError(), {0, 1, 199})
    _, told = await settle(queue, 200)
    assert [settlement.event_id for settlement in queue.settled] == list(range(200))
    assert queue.settled[2:199] == told[2:199]


@pytest.mark.parametrize("error", [psycopg.errors.UndefinedColumn(), psycopg.errors.InsufficientPrivilege()])
async def test_what_no_event_can_be_blamed_for_is_not_tried_in_halves(error):
    queue = Picky(error, {0})
    with pytest.raises(type(error)):
        await settle(queue, 200)
    assert queue.calls == [200]
    assert queue.settled == []


async def test_one_that_the_database_takes_in_no_form_is_not_tried_for_ever():
    queue = Picky(psycopg.errors.DataError(), {1}, takes_bare=False)
    with pytest.raises(psycopg.errors.DataError):
        await settle(queue, 4)
    assert queue.calls == [4, 2, 1, 1, 1, 2]
    assert [settlement.event_id for settlement in queue.settled] == [0, 2, 3]  # nobody else comes back for it


async def test_what_was_abandoned_settles_nothing_more():
    queue = Queue()
    settling = BatchSettler(queue, LEASE, timedelta(seconds=60), clock())
    settling.add(delivered(0))
    await settling.abandon()
    assert queue.settled == []
    assert not settling.may_send

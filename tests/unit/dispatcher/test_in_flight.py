"""What a worker held can be read once it is dead, whatever it died of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from dispatcher.in_flight import ROWS, SLOTS, HeldLease, InFlight
from tests.support.examples import delivery
from tests.support.paths import ROOT

WORKER = """
import asyncio, os, signal, sys
sys.path.insert(0, {root!r})
from dispatcher.in_flight import InFlight
from tests.support.examples import delivery

table = InFlight.attach({memory})
settled, held, empty = table.enter(7), table.enter(8), table.enter(9)
settled.hold([delivery(id=1)])
settled.leave()
deliveries = [delivery(id=number, revision=number % 3) for number in range(1000)]
held.hold(deliveries)
held.begin(deliveries[5:7])
held.begin([deliveries[999]])

async def die():
    {death}

async def main():
    other = asyncio.create_task(table.enter(10).working(asyncio.sleep(60)))
    await asyncio.sleep(0)
    await {entry}.working(die())

asyncio.run(main())
"""


@pytest.fixture
def dead():
    """Run a worker to its end; give what is read of it."""

    def run(death, entry="held"):
        table, memory = InFlight.create()
        code = WORKER.format(root=str(ROOT), memory=memory, death=death, entry=entry)
        process = subprocess.run([sys.executable, "-c", code], pass_fds=(memory,), check=False, timeout=30)
        os.close(memory)
        held = table.read()
        table.close()
        return process.returncode, {lease.lease: lease for lease in held}

    return run


BEGUN = [(5, 2), (6, 0), (999, 0)]


def test_a_worker_that_was_killed_at_work_tells_what_it_held_and_began_and_worked_on(dead):
    code, held = dead("os.kill(os.getpid(), signal.SIGKILL)")
    assert code == -signal.SIGKILL
    assert held == {
        8: HeldLease(8, BEGUN, is_suspect=True),
        9: HeldLease(9, [], is_suspect=False),
        10: HeldLease(10, [], is_suspect=False),
    }


def test_a_lease_that_was_entered_and_whose_rows_were_not_read_may_be_the_suspect(dead):
    _, held = dead("os._exit(1)", entry="empty")
    assert held[9] == HeldLease(9, [], is_suspect=True)
    assert held[8] == HeldLease(8, BEGUN, is_suspect=False)


def test_a_worker_that_was_killed_between_two_steps_blames_nobody(dead):
    _, held = dead("asyncio.get_running_loop().call_soon(os._exit, 1); await asyncio.sleep(60)")
    assert {lease.lease: lease.is_suspect for lease in held.values()} == {8: False, 9: False, 10: False}


def test_a_lease_that_was_left_is_not_held_any_more_and_its_slot_is_used_again():
    table = InFlight.private()
    for number in range(1, 3 * SLOTS):
        entry = table.enter(number)
        entry.hold([delivery(id=number)])
        entry.begin([delivery(id=number)])
        assert table.read() == [HeldLease(number, [(number, 0)], is_suspect=False)]
        entry.leave()
    assert table.read() == []
    table.close()


def test_what_a_slot_held_before_does_not_show():
    table = InFlight.private()
    entries = [table.enter(number) for number in range(1, SLOTS + 1)]
    full = [delivery(id=number) for number in range(ROWS)]
    entries[0].hold(full)
    entries[0].begin(full)
    entries[0].leave()
    again = table.enter(1000)
    assert HeldLease(1000, [], is_suspect=False) in table.read()
    again.hold(full[:3])
    assert HeldLease(1000, [], is_suspect=False) in table.read()
    table.close()


async def test_the_work_gives_and_raises_as_without_the_table():
    table = InFlight.private()
    entry = table.enter(1)

    async def give():
        return 7

    async def fail():
        raise KeyError

    assert await entry.working(give()) == 7
    with pytest.raises(KeyError):
        await entry.working(fail())
    assert not any(lease.is_suspect for lease in table.read())
    table.close()

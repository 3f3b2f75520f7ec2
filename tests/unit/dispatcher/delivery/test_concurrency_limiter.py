"""As many concurrent requests as the distance of a destination needs, and no more."""

from __future__ import annotations

import asyncio

import pytest

from dispatcher.delivery import concurrency_limiter
from dispatcher.delivery.concurrency_limiter import FEWEST, RATE, RECENT, ConcurrencyLimiter
from tests.support.waiting import until


async def most_at_once(concurrency, requests):
    """Start `requests` requests; return how many ran at once."""
    inside = 0
    leave = asyncio.Event()

    async def request(_):
        nonlocal inside
        inside += 1
        await leave.wait()

    task = asyncio.create_task(concurrency.each(request, range(requests)))
    begun = -1
    while begun < inside or not inside:
        begun = inside
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    leave.set()
    await task
    assert inside == requests, "all requests run in the end"
    return begun


def answer(concurrency, seconds, times=RECENT):
    for _ in range(times):
        concurrency.answered(seconds)


@pytest.mark.parametrize(("seconds", "let_through"), [(0.0001, FEWEST), (0.05, RATE * 0.05), (0.1, 600), (30.0, 600)])
async def test_the_further_away_the_more_at_once_within_bounds(seconds, let_through):
    concurrency = ConcurrencyLimiter(600)
    answer(concurrency, seconds)
    assert await most_at_once(concurrency, 800) == let_through


async def test_more_begin_when_it_proves_far(monkeypatch):
    monkeypatch.setattr(concurrency_limiter, "SLOW_SECONDS", 3600)
    concurrency = ConcurrencyLimiter(600)
    inside = 0
    leave = asyncio.Event()

    async def request(_):
        nonlocal inside
        inside += 1
        await leave.wait()

    task = asyncio.create_task(concurrency.each(request, range(800)))
    await until(lambda: inside == FEWEST)
    answer(concurrency, 0.1)
    await until(lambda: inside == 600)
    leave.set()
    await task


async def test_the_fastest_response_counts_as_slow_ones_may_have_waited_here():
    concurrency = ConcurrencyLimiter(600)
    answer(concurrency, 0.1)
    answer(concurrency, 0.001, RECENT // 10)
    assert concurrency.limit == FEWEST


async def test_fewer_at_once_once_it_is_near_again():
    concurrency = ConcurrencyLimiter(600)
    answer(concurrency, 0.1)
    assert await most_at_once(concurrency, 700) == 600
    answer(concurrency, 0.001)
    assert await most_at_once(concurrency, 700) == FEWEST


async def test_a_destination_with_a_low_limit_never_gets_more():
    concurrency = ConcurrencyLimiter(4)
    assert await most_at_once(concurrency, 10) == 4
    answer(concurrency, 1.0)
    assert await most_at_once(concurrency, 10) == 4


async def test_one_failure_harms_no_other_item_and_is_raised():
    done = []

    async def request(number):
        await asyncio.sleep(0)
        if number == 1:
            raise ValueError(number)
        done.append(number)

    concurrency = ConcurrencyLimiter(4)
    with pytest.raises(ValueError, match="1"):
        await concurrency.each(request, range(10))
    assert done == [0, *range(2, 10)]
    await concurrency.each(request, [])


async def test_a_cancelled_item_makes_room_for_those_that_wait():
    begun = []
    cut_off = []
    leave = asyncio.Event()

    async def request(number):
        begun.append(number)
        try:
            await leave.wait()
        except asyncio.CancelledError:
            cut_off.append(number)
            raise

    concurrency = ConcurrencyLimiter(4)
    task = asyncio.create_task(concurrency.each(request, range(8)))
    await until(lambda: len(begun) == 4)
    leave.set()
    concurrency.cancel()
    await task
    assert cut_off == [0, 1, 2, 3]
    assert sorted(begun) == list(range(8))


async def test_work_that_hangs_gives_its_place_to_other_work(monkeypatch):
    monkeypatch.setattr(concurrency_limiter, "SLOW_SECONDS", 0.05)
    concurrency = ConcurrencyLimiter(FEWEST + 20)
    begun, leave = [], asyncio.Event()

    async def request(number):
        begun.append(number)
        await leave.wait()

    all_begun = []
    first = asyncio.create_task(concurrency.each(request, range(FEWEST), lambda: all_begun.append("first")))
    await until(lambda: len(begun) == FEWEST)
    assert all_begun == ["first"]
    second = asyncio.create_task(concurrency.each(request, range(30), lambda: all_begun.append("second")))
    await until(lambda: len(begun) == FEWEST + 20)  # never more than the destination takes
    assert all_begun == ["first"]
    leave.set()
    await asyncio.gather(first, second)
    assert all_begun == ["first", "second"]
    assert not concurrency._begun
    assert not concurrency._slow

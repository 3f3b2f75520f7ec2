"""As many requests at once as a destination's distance asks for, and no more."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from dispatcher.concurrency import FEWEST, RATE, RECENT, Concurrency


async def most_at_once(concurrency, requests):
    """Begin so many requests; give how many were let through."""
    inside = 0
    leave = asyncio.Event()

    async def request():
        nonlocal inside
        async with concurrency:
            inside += 1
            await leave.wait()

    tasks = [asyncio.create_task(request()) for _ in range(requests)]
    for _ in range(3):
        await asyncio.sleep(0)
    let_through = inside
    leave.set()
    await asyncio.gather(*tasks)
    assert inside == requests, "everybody comes in at last"
    return let_through


def answer(concurrency, seconds, times=RECENT):
    for _ in range(times):
        concurrency.answered(seconds)


@pytest.mark.parametrize(("seconds", "let_through"), [(0.0001, FEWEST), (0.05, RATE * 0.05), (0.1, 600), (30.0, 600)])
async def test_the_further_away_the_more_at_once_within_bounds(seconds, let_through):
    concurrency = Concurrency(600)
    answer(concurrency, seconds)
    assert await most_at_once(concurrency, 800) == let_through


async def test_there_is_room_until_as_many_are_under_way_and_again_when_it_proves_far():
    concurrency = Concurrency(600)
    async with AsyncExitStack() as stack:
        for _ in range(FEWEST):
            assert concurrency.has_room
            await stack.enter_async_context(concurrency)
        assert not concurrency.has_room
        answer(concurrency, 0.1)
        assert concurrency.has_room


async def test_the_fastest_answer_counts_as_slow_ones_may_have_waited_for_us():
    concurrency = Concurrency(600)
    answer(concurrency, 0.1)
    answer(concurrency, 0.001, RECENT // 10)
    assert concurrency.limit == FEWEST


async def test_fewer_at_once_once_it_is_near_again():
    concurrency = Concurrency(600)
    answer(concurrency, 0.1)
    assert await most_at_once(concurrency, 700) == 600
    answer(concurrency, 0.001)
    assert await most_at_once(concurrency, 700) in range(
        FEWEST, 601
    )  # as slots come back, they are not given out again
    assert await most_at_once(concurrency, 700) == FEWEST


async def test_who_takes_few_is_never_sent_more():
    concurrency = Concurrency(4)
    assert await most_at_once(concurrency, 10) == 4
    answer(concurrency, 1.0)
    assert await most_at_once(concurrency, 10) == 4

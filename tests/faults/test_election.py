"""One of the dispatchers, the leader, runs the schedule; if it is killed, frozen or stopped, another takes over."""

from __future__ import annotations

import signal

from tests.support.waiting import until


def elected(spine):
    """Return the process id of the leader, or None."""
    rows = spine.connection.execute("SELECT split_part(holder, ':', 2)::int FROM outbox.leader").fetchall()
    return rows[0][0] if rows else None


async def two(spine, dispatch):
    """Return two dispatchers, the leader first."""
    started = [dispatch(spine.database_url) for _ in range(2)]
    await until(lambda: elected(spine))
    first = elected(spine)
    return sorted(started, key=lambda dispatcher: dispatcher.process.pid != first)


async def test_the_elected_one_is_killed_and_the_other_takes_over(spine, dispatch):
    first, second = await two(spine, dispatch)
    await until(lambda: first.logged("elected"))
    first.signal(signal.SIGKILL)
    await until(lambda: elected(spine) == second.process.pid)
    await until(lambda: second.logged("elected"))
    assert first.logged("elected") == second.logged("elected") == 1


async def test_a_frozen_leader_loses_its_role_and_notices(spine, dispatch):
    first, second = await two(spine, dispatch)
    await until(lambda: first.logged("elected"))
    first.signal(signal.SIGSTOP)
    await until(lambda: second.logged("elected"))
    first.signal(signal.SIGCONT)
    await until(lambda: first.logged("no longer elected"))
    assert elected(spine) == second.process.pid


async def test_a_leader_that_stops_resigns_and_there_is_one_leader_at_a_time(spine, dispatch):
    first, second = await two(spine, dispatch)
    await until(lambda: first.logged("elected"))
    assert not second.logged("elected")
    first.signal(signal.SIGTERM)
    await until(lambda: second.logged("elected"))
    assert elected(spine) == second.process.pid
    second.signal(signal.SIGTERM)
    await until(lambda: elected(spine) is None)

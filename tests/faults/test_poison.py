"""One event harms itself only, at every stage and whatever it does; the others arrive, and nothing is called uncertain."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections import Counter
from functools import partial

import pytest

from dispatcher import supervisor
from dispatcher.config import Config
from tests.support.poison import BOOT, KINDS, MARK, STAGES, make_impatient
from tests.support.waiting import until

EVENTS = 200
CASES = [*zip(STAGES, ("hang", "memory", "loop", "exit", "error", "kill"), strict=True)]
"""Every stage and every kind once; `python -m tests.faults.poison_matrix` runs each kind at each stage."""
if os.environ.get("POISON_MATRIX"):
    CASES = [*itertools.product(STAGES, KINDS)]


def record(spine):
    for number in range(1, EVENTS + 1):
        person = {"email": f"p{number}@example.com", "city": "poison" if number == MARK else "Limassol"}
        spine.record(name="lead_submitted", event_id=f"e{number}", lead_id=f"L{number}", person=person)


def variables(spine, stage, kind):
    return {
        "META_CAPI_TOKEN": "test-token", "META_CAPI_BASE_URL": spine.settings.of("meta").base_url,
        "GA4_API_SECRET": "test-secret", "GA4_MP_BASE_URL": spine.settings.of("ga4").base_url,
        "POISON_STAGE": stage, "POISON_KIND": kind,
    }  # fmt: skip


@contextlib.asynccontextmanager
async def supervised(spine, monkeypatch, stage, kind):
    for name in ("_BOOT", "HANG_SECONDS", "RESTART_SECONDS"):
        monkeypatch.setattr(supervisor, name, getattr(supervisor, name))
    make_impatient(supervisor)
    for name, value in variables(spine, stage, kind).items():
        monkeypatch.setenv(name, value)
    async with supervisor.running(
        spine.settings, spine.database_url, Config(), count=1, arguments=[], is_drain=False
    ) as running:
        task = asyncio.create_task(running.run())
        try:
            yield running
        finally:
            running.stop()
            await task


def harmed(stage):
    """Where the poisoned event is given up, and nowhere else."""
    return {"meta"} if stage == "build" else {"meta", "ga4"}


@pytest.fixture
def begun(monkeypatch):
    """What workers that died had begun to send, as (event id, revision), once for each destination."""
    seen = Counter()
    release = supervisor.Worker.release

    async def noted(self, database):
        seen.update(row for lease in self._in_flight.read() for row in lease.begun)
        await release(self, database)

    monkeypatch.setattr(supervisor.Worker, "release", noted)
    return seen


def uncertain(spine):
    rows = spine.connection.execute(
        "SELECT event_id, revision, reason FROM outbox.attempt WHERE outcome = 'uncertain'"
    ).fetchall()
    assert {reason for *_, reason in rows} <= {"worker lost"}
    return Counter((event, revision) for event, revision, _ in rows)


def the_others_arrived_and_the_culprit_failed(spine, stage):
    receipts = spine.receipts()
    assert {outcome for (event, _), (outcome, _) in receipts.items() if event != f"e{MARK}"} == {"delivered"}
    for destination in ("meta", "ga4"):
        outcome, reason = receipts[f"e{MARK}", destination]
        expected = "failed" if destination in harmed(stage) else "delivered"
        assert (outcome, reason in {"cannot be processed", "cannot be built"}) == (expected, expected == "failed")


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("stage", "kind"), CASES)
async def test_the_culprit_is_alone_and_ends_as_failed_and_all_others_arrive(spine, monkeypatch, begun, stage, kind):
    record(spine)
    async with supervised(spine, monkeypatch, stage, kind):
        await until(lambda: spine.count("receipt") == 2 * EVENTS, seconds=120)
    the_others_arrived_and_the_culprit_failed(spine, stage)
    # Nothing is marked uncertain that was not begun. Where settling fails without a death, the worker itself gives back
    # what it sent: the culprit only.
    doubtful = uncertain(spine)
    if stage == "settle" and kind in {"error", "memory"}:
        assert {event for event, _ in doubtful} <= {MARK}
    else:
        assert doubtful <= begun
    if stage in {"seal", "fold", "settle intake"}:
        assert not doubtful
    arrived = Counter(arrival.event_id for arrival in spine.sandbox.ledger.arrivals)
    marked = Counter({f"e{event}": count for (event, _), count in doubtful.items()})
    ended = Counter(event for (event, _), (outcome, _) in spine.receipts().items() if outcome == "delivered")
    assert arrived <= ended + marked  # nothing is sent again that is not marked


async def test_what_was_found_out_is_kept_when_everything_is_killed(spine):
    """In the middle of the halving, twice; leases then come back when they expire, and the parts get smaller all the same."""
    record(spine)
    seen = []

    def have_reached(least):
        if (lost := losses(spine)) is not None:
            seen.append(lost)
        return seen and seen[-1] >= least

    for least in (1, 3, None):
        with poisoned(spine, "fold", "exit") as process:
            try:
                if least:
                    await until(partial(have_reached, least), seconds=60)
                else:
                    await until(lambda: have_reached(99) or spine.count("receipt") == 2 * EVENTS, seconds=60)
            finally:
                os.killpg(process.pid, signal.SIGKILL)
    assert seen == sorted(seen)
    the_others_arrived_and_the_culprit_failed(spine, "fold")
    reasons = {reason for destination in ("meta", "ga4") for _, reason in spine.attempts(destination)}
    assert reasons <= {"worker lost", "lease expired"}


@contextlib.contextmanager
def poisoned(spine, stage, kind):
    """`outbox dispatch` with a poisoned worker, in a group of processes of its own."""
    environment = {
        "PATH": os.environ["PATH"], "OUTBOX_DATABASE_URL": spine.database_url, "OUTBOX_LEASE_SECONDS": "5",
        **variables(spine, stage, kind),
    }  # fmt: skip
    code = BOOT.format("supervise")
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        yield process


def losses(spine):
    """The losses that the poisoned event has, in the queue or in a lease; None: it is in neither."""
    return spine.connection.execute(
        """
        SELECT max(losses) FROM (
            SELECT losses FROM outbox.intake WHERE event_id = %(mark)s
            UNION ALL SELECT losses FROM outbox.lease WHERE %(mark)s = ANY (event_ids) AND destination IS NULL) AS held
        """,
        {"mark": MARK},
    ).fetchone()[0]

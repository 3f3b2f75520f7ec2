"""The queue of deliveries: a claim is a lease with a fence."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from dispatcher.delivery.queue import PostgresQueue
from dispatcher.models import Settlement
from tests.support.clock import RECLAIM

META = 1


@pytest.fixture
def enqueue(connection):
    """Enqueue `count` deliveries to Meta."""

    def enqueue(count=1, due="0 s"):
        connection.execute(
            """
            WITH events AS (
                INSERT INTO outbox.event (name) SELECT 'lead_submitted' FROM generate_series(1, %(count)s) RETURNING id
            )
            INSERT INTO outbox.delivery (event_id, destination, due_at)
            SELECT id, 1, outbox.clock() + %(due)s::interval FROM events
            """,
            {"count": count, "due": due},
        )

    return enqueue


@pytest.fixture
def queue(database):
    return PostgresQueue(database, META, "one", timedelta(seconds=60))


@pytest.fixture
def other(database):
    return PostgresQueue(database, META, "other", timedelta(seconds=60))


def delivered(lease, upto=None):
    return [
        Settlement(delivery.event.id, delivery.revision, "delivered", status=200)
        for delivery in lease.deliveries[:upto]
    ]


def counts(connection):
    row = connection.execute(
        """
        SELECT (SELECT count(*) FROM outbox.delivery), (SELECT sum(cardinality(event_ids)) FROM outbox.lease),
               (SELECT count(*) FROM outbox.receipt), (SELECT count(*) FROM outbox.attempt)
        """
    ).fetchone()
    return dict(zip(("queued", "leased", "receipts", "attempts"), (count or 0 for count in row), strict=True))


def expire(connection):
    connection.execute("UPDATE outbox.lease SET expires_at = outbox.clock() - interval '1 s'")


async def reclaim(database):
    return (await database.run("reclaim_leases", RECLAIM))[0][0]


async def test_nothing_due_is_no_lease(queue, enqueue, connection):
    enqueue(due="1 h")
    assert await queue.claim(10) is None
    assert counts(connection)["leased"] == 0


async def test_a_claim_moves_rows_into_a_lease_and_a_settlement_makes_receipts(queue, enqueue, connection):
    enqueue(5)
    lease = await queue.claim(3)
    assert len(lease.deliveries) == 3
    assert counts(connection) == {"queued": 2, "leased": 3, "receipts": 0, "attempts": 0}
    assert await queue.settle(lease, delivered(lease)) == 3
    assert counts(connection) == {"queued": 2, "leased": 0, "receipts": 3, "attempts": 0}


async def test_part_of_a_lease_can_be_settled(queue, enqueue, connection):
    enqueue(5)
    lease = await queue.claim(5)
    assert await queue.settle(lease, delivered(lease, 2)) == 2
    assert counts(connection) == {"queued": 0, "leased": 3, "receipts": 2, "attempts": 0}
    assert await queue.settle(lease, delivered(lease)[2:]) == 3
    assert counts(connection)["leased"] == 0


async def test_nothing_is_settled_twice(queue, enqueue, connection):
    enqueue(3)
    lease = await queue.claim(3)
    assert await queue.settle(lease, delivered(lease, 2)) == 2
    assert await queue.settle(lease, delivered(lease)) == 1
    assert await queue.settle(lease, delivered(lease)) == 0
    assert counts(connection)["receipts"] == 3


async def test_what_must_be_retried_is_pending_again_and_leaves_an_attempt(queue, enqueue, connection):
    enqueue(2)
    lease = await queue.claim(2)
    first, second = (delivery.event.id for delivery in lease.deliveries)
    at = lease.claimed_at
    await queue.settle(
        lease,
        [
            Settlement(first, 0, "uncertain", "timeout", due_at=at, unknown_at=at),
            Settlement(second, 0, "returned", due_at=at),
        ],
    )
    assert counts(connection) == {"queued": 2, "leased": 0, "receipts": 0, "attempts": 1}
    again = {delivery.event.id: delivery for delivery in (await queue.claim(2)).deliveries}
    assert (again[first].tries, again[first].first_unknown_at) == (1, at)
    assert (again[second].tries, again[second].first_unknown_at) == (0, None)


async def test_an_unknown_outcome_is_remembered_from_the_first_one(queue, enqueue):
    enqueue()
    lease = await queue.claim(1)
    first = lease.claimed_at
    for _ in range(2):
        event = lease.deliveries[0].event.id
        later = lease.claimed_at + timedelta(seconds=5)
        await queue.settle(lease, [Settlement(event, 0, "uncertain", due_at=first, unknown_at=later)])
        lease = await queue.claim(1)
    assert lease.deliveries[0].first_unknown_at == first + timedelta(seconds=5)


async def test_a_process_that_lost_its_lease_cannot_settle(queue, other, enqueue, connection, database):
    enqueue(2)
    lease = await queue.claim(2)
    expire(connection)
    assert await reclaim(database) == 2
    taken = await other.claim(2, losses=1)
    assert await queue.settle(lease, delivered(lease)) == 0
    assert await queue.extend(lease) is False
    assert counts(connection)["receipts"] == 0
    assert await other.settle(taken, delivered(taken)) == 2


async def test_a_lease_belongs_to_its_holder(queue, other, enqueue, connection):
    enqueue()
    lease = await queue.claim(1)
    assert await other.settle(lease, delivered(lease)) == 0
    assert counts(connection)["receipts"] == 0


async def test_an_expired_lease_counts_as_an_unknown_outcome_at_its_claim(queue, enqueue, connection, database):
    enqueue()
    lease = await queue.claim(1)
    expire(connection)
    await reclaim(database)
    again = (await queue.claim(1, losses=1)).deliveries[0]
    assert (again.tries, again.first_unknown_at) == (1, lease.claimed_at)
    assert connection.execute("SELECT outcome, reason FROM outbox.attempt").fetchall() == [
        ("uncertain", "lease expired")
    ]


async def test_a_lease_that_was_extended_does_not_expire(queue, enqueue, connection, database):
    enqueue()
    lease = await queue.claim(1)
    expire(connection)
    assert await queue.extend(lease)
    assert await reclaim(database) == 0


async def test_an_expired_intake_lease_is_pending_again_as_a_whole(connection, database):
    connection.execute("INSERT INTO outbox.event (name) SELECT 'lead_submitted' FROM generate_series(1, 3)")
    parameters = {"holder": "gone", "lease": timedelta(seconds=0), "limit": 10, "since": 0, "losses": 0}
    assert len(json.loads((await database.run("claim_events", parameters))[0][4])) == 3
    expire(connection)
    assert await reclaim(database) == 3
    assert connection.execute("SELECT array_agg(losses) FROM outbox.intake").fetchone() == ([1, 1, 1],)


async def test_concurrent_claims_share_the_work_and_take_nothing_twice(database, enqueue, connection):
    enqueue(1000)
    queues = [PostgresQueue(database, META, f"p{number}", timedelta(seconds=60)) for number in range(8)]

    async def work(queue):
        taken = []
        while lease := await queue.claim(37):
            taken.extend(delivery.event.id for delivery in lease.deliveries)
            await queue.settle(lease, delivered(lease))
        return taken

    taken = [event for events in await asyncio.gather(*map(work, queues)) for event in events]
    assert len(taken) == len(set(taken)) == 1000
    assert counts(connection) == {"queued": 0, "leased": 0, "receipts": 1000, "attempts": 0}


async def test_two_concurrent_settlements_of_one_lease_settle_each_row_once(queue, enqueue, connection):
    enqueue(200)
    lease = await queue.claim(200)
    settled = await asyncio.gather(*(queue.settle(lease, delivered(lease)) for _ in range(4)))
    assert sum(settled) == 200
    assert counts(connection)["receipts"] == 200


async def test_a_row_that_appears_behind_the_watermark_is_still_claimed(queue, enqueue):
    enqueue(2)
    await queue.claim(2)
    enqueue(due="-1 h")
    queue._watermark._rewound_at -= 2
    assert len((await queue.claim(5)).deliveries) == 1


async def test_tries_cannot_overflow(queue, enqueue, connection, database):
    """Two days of short leases and a process that crashes in a loop."""
    enqueue(2)
    connection.execute("UPDATE outbox.delivery SET tries = 32766")
    for _ in range(3):
        lease = await queue.claim(2) or await queue.claim(2, losses=1) or await queue.claim(2, losses=2)
        first = lease.deliveries[0].event.id
        at = lease.claimed_at
        await queue.settle(lease, [Settlement(first, 0, "uncertain", due_at=at, unknown_at=at)])
        expire(connection)
        assert await reclaim(database) == 1
        connection.execute("UPDATE outbox.delivery SET losses = 0, due_at = outbox.clock()")
    assert connection.execute("SELECT DISTINCT tries FROM outbox.delivery").fetchall() == [(32767,)]
    lease = await queue.claim(2)
    assert await queue.settle(lease, delivered(lease)) == 2


async def test_while_a_backlog_is_worked_off_the_newest_get_a_share(queue, enqueue):
    enqueue(300, due="-1 h")
    await queue.claim(100)
    enqueue(10)
    lease = await queue.claim(100)
    claimed = {each.event.id for each in lease.deliveries}
    assert claimed >= set(range(301, 311))
    assert len(claimed & set(range(1, 181))) == 80
    everything = [*claimed]
    while lease := await queue.claim(100):
        everything += [each.event.id for each in lease.deliveries]
    assert len(everything) == len(set(everything)) == 210, "the watermark does not pass the backlog"

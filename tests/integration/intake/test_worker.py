"""Intake, when something goes wrong: a batch comes back as it was or in parts, and one event harms nobody else."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from dispatcher.database.connections import Database
from dispatcher.intake import folding, worker
from dispatcher.quarantine import GIVEN_UP
from tests.support.intake_worker import intake

LEASE = timedelta(seconds=60)


@pytest.fixture
def record(spine):
    def record(count):
        for number in range(count):
            spine.record(name="lead_submitted", event_id=f"e{number}", person={"email": f"e{number}@example.com"})

    return record


def persons(connection):
    """By event: whether its person was sealed, and what was noted."""
    return dict(
        connection.execute(
            "SELECT event_id, (sealed IS NOT NULL, notes)::text FROM outbox.event ORDER BY id"
        ).fetchall()
    )


def losses(connection):
    return connection.execute("SELECT event_id, losses FROM outbox.intake ORDER BY event_id").fetchall()


async def take_in(one, suspect_losses=0):
    """Take one batch in; return whether there was any."""
    one.suspect_losses = suspect_losses
    count = await one.step()
    await one.finish()
    return count > 0


@pytest.fixture
def claims(monkeypatch):
    """The events of each batch, in the order of the claims, with their losses."""
    seen = []
    take_in = worker.Intake._take_in

    async def noted(self, batch):
        events, _ = folding.decode_events(batch.content)
        seen.append((batch.losses, [event.id for event in events]))
        await take_in(self, batch)

    monkeypatch.setattr(worker.Intake, "_take_in", noted)
    return seen


@pytest.fixture
def hated(monkeypatch):
    """Events with which a settlement fails, as if the database could not take them."""
    ids = set()
    run = Database.run

    async def fails(self, query, parameters=None):
        if query == "settle_events" and ids & {row["event_id"] for row in parameters["sealed"].obj}:
            raise psycopg.errors.InternalError_
        return await run(self, query, parameters)

    monkeypatch.setattr(Database, "run", fails)
    return ids


async def test_what_fails_for_a_reason_of_ours_comes_back_as_it_was_and_nobody_is_blamed(spine, record, database):
    record(3)
    one = intake(database, "one", lease=LEASE)
    spine.connection.execute("ALTER TABLE outbox.fragment_event RENAME TO away")
    for _ in range(6):
        assert await take_in(one)
        with pytest.raises(psycopg.errors.UndefinedTable):
            await one.step()
    assert losses(spine.connection) == [(1, 0), (2, 0), (3, 0)]
    assert spine.count("lease") == 0
    spine.connection.execute("ALTER TABLE outbox.away RENAME TO fragment_event")
    assert await spine.drain() == 0
    assert set(persons(spine.connection).values()) == {"(t,)"}


async def test_of_a_batch_that_fails_again_and_again_the_culprit_is_alone_in_the_end(
    spine, record, database, hated, claims
):
    record(40)
    hated.add(7)
    one = intake(database, "one", lease=LEASE)
    assert await take_in(one)
    assert losses(spine.connection) == [(number, 1) for number in range(1, 41)]
    for number in range(1, GIVEN_UP + 1):
        while await take_in(one, number):
            pass
    assert {len(events) for lost, events in claims if lost == 2} == {16, 8}
    assert {len(events) for lost, events in claims if lost == 3} == {2}
    assert [events for lost, events in claims if lost == 4] == [[7], [8]] or [
        events for lost, events in claims if 7 in events and lost == 4
    ] == [[7]]
    assert persons(spine.connection)["e6"] == '(f,"{""event: cannot be processed""}")'
    assert [event for event, sealed in persons(spine.connection).items() if sealed != "(t,)"] == ["e6"]
    assert spine.receipts() == dict.fromkeys((("e6", "meta"), ("e6", "ga4")), ("failed", "cannot be processed"))
    assert [spine.count(table) for table in ("intake", "raw", "lease")] == [0, 0, 0]


async def test_what_is_suspect_is_not_claimed_with_the_others(spine, record, database, claims):
    record(3)
    spine.connection.execute("UPDATE outbox.intake SET losses = 4 * (event_id = 2)::int")
    one = intake(database, "one", lease=LEASE)
    assert await take_in(one)
    assert await take_in(one, 4)
    assert claims == [(0, [1, 3]), (4, [2])]
    assert set(persons(spine.connection).values()) == {"(t,)"}
    assert spine.count("intake") == 0


async def test_who_takes_the_process_down_even_alone_is_left_out_and_nobody_else(spine, record, database):
    record(3)
    spine.connection.execute("UPDATE outbox.intake SET losses = %s * (event_id = 2)::int", (GIVEN_UP,))
    one = intake(database, "one", lease=LEASE)
    assert await take_in(one, GIVEN_UP)
    assert await take_in(one)
    assert persons(spine.connection) == {"e0": "(t,)", "e1": '(f,"{""event: cannot be processed""}")', "e2": "(t,)"}
    assert spine.count("raw") == 0


async def test_many_in_a_row_are_not_given_up_for_what_cannot_be_their_doing(spine, record, database, monkeypatch):
    monkeypatch.setattr(worker, "HELD_SECONDS", 0.0)
    record(6)
    spine.connection.execute("UPDATE outbox.intake SET losses = %s", (GIVEN_UP,))
    one = intake(database, "one", lease=LEASE)
    for _ in range(8):
        assert await take_in(one, GIVEN_UP)
    assert losses(spine.connection) == [(4, GIVEN_UP), (5, GIVEN_UP), (6, GIVEN_UP)]
    record(10)
    assert await take_in(one)  # what works shows that it was the events after all
    for _ in range(3):
        assert await take_in(one, GIVEN_UP)
    assert losses(spine.connection) == []


@pytest.mark.parametrize("stage", ["seal", "position"])
async def test_an_event_that_raises_an_error_by_itself_fails_at_once_and_alone(
    spine, record, database, monkeypatch, stage
):
    record(3)
    inner = getattr(folding, stage)

    def breaks(*arguments, **named):
        if "e1@example.com" in str(arguments) or arguments[-1] == 2:
            raise RuntimeError
        return inner(*arguments, **named)

    monkeypatch.setattr(folding, stage, breaks)
    spine.connection.execute("UPDATE outbox.event SET lead_id = 'l'")
    assert await take_in(intake(database, "one", lease=LEASE))
    assert spine.receipts() == dict.fromkeys((("e1", "meta"), ("e1", "ga4")), ("failed", "cannot be processed"))
    assert [spine.count(table) for table in ("intake", "raw", "lease", "delivery")] == [0, 0, 0, 4]


async def test_an_event_that_cannot_be_read_fails_alone(spine, record, database):
    record(3)
    # As a table that somebody else wrote to might hold it.
    spine.connection.execute("ALTER TABLE outbox.event DISABLE TRIGGER USER")
    spine.connection.execute("UPDATE outbox.event SET recorded_at = 'infinity' WHERE id = 2")
    assert await take_in(intake(database, "one", lease=LEASE))
    assert spine.receipts() == dict.fromkeys((("e1", "meta"), ("e1", "ga4")), ("failed", "cannot be processed"))
    assert spine.count("intake") == spine.count("lease") == 0

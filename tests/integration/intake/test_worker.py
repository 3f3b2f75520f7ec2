"""Intake, when something goes wrong: a batch comes back as it was, and one person harms nobody else."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

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


async def test_what_fails_for_a_reason_of_ours_comes_back_as_it_was_and_nobody_is_blamed(spine, record, database):
    record(3)
    one = intake(database, "one", lease=LEASE)
    spine.connection.execute("ALTER TABLE outbox.fragment_event RENAME TO away")
    for _ in range(6):
        assert await one.step() == 3
        await one.finish()
        with pytest.raises(psycopg.errors.UndefinedTable):
            await one.step()
    assert spine.connection.execute("SELECT event_id, tries FROM outbox.intake").fetchall() == [(1, 0), (2, 0), (3, 0)]
    assert spine.count("lease") == 0
    spine.connection.execute("ALTER TABLE outbox.away RENAME TO fragment_event")
    assert await spine.drain() == 0
    assert set(persons(spine.connection).values()) == {"(t,)"}


async def test_of_a_batch_that_lost_its_process_again_and_again_each_event_is_tried_alone(spine, record, database):
    record(3)
    spine.connection.execute("UPDATE outbox.intake SET tries = 3")
    one = intake(database, "one", lease=LEASE)
    assert await one.step() == 3
    await one.finish()
    assert set(persons(spine.connection).values()) == {"(t,)"}
    assert [spine.count(table) for table in ("intake", "raw", "lease")] == [0, 0, 0]


async def test_who_takes_the_process_down_even_alone_is_left_out_and_nobody_else(spine, record, database):
    record(3)
    spine.connection.execute("UPDATE outbox.intake SET tries = 3 + (event_id = 2)::int")
    one = intake(database, "one", lease=LEASE)
    assert await one.step() == 3
    await one.finish()
    assert persons(spine.connection) == {
        "e0": "(t,)",
        "e1": '(f,"{""person: could not be sealed, left out""}")',
        "e2": "(t,)",
    }
    assert spine.count("raw") == 0

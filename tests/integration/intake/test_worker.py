"""Intake failures: a batch goes back to the queue unchanged, and one bad event affects no other."""

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
    """For each event, whether its person was sealed, and its notes."""
    return dict(
        connection.execute(
            "SELECT event_id, (sealed IS NOT NULL, notes)::text FROM outbox.event ORDER BY id"
        ).fetchall()
    )


async def test_after_an_internal_failure_the_batch_is_returned_unchanged_and_no_try_is_counted(spine, record, database):
    record(3)
    one = intake(database, "one", lease=LEASE)
    spine.connection.execute("ALTER TABLE outbox.fragment_event RENAME TO elsewhere")
    for _ in range(6):
        assert await one.step() == 3
        await one.finish()
        with pytest.raises(psycopg.errors.UndefinedTable):
            await one.step()
    assert spine.connection.execute("SELECT event_id, tries FROM outbox.intake").fetchall() == [(1, 0), (2, 0), (3, 0)]
    assert spine.count("lease") == 0
    spine.connection.execute("ALTER TABLE outbox.elsewhere RENAME TO fragment_event")
    assert await spine.drain() == 0
    assert set(persons(spine.connection).values()) == {"(t,)"}


async def test_after_repeated_crashes_each_event_of_a_batch_is_tried_alone(spine, record, database):
    record(3)
    spine.connection.execute("UPDATE outbox.intake SET tries = 3")
    one = intake(database, "one", lease=LEASE)
    assert await one.step() == 3
    await one.finish()
    assert set(persons(spine.connection).values()) == {"(t,)"}
    assert [spine.count(table) for table in ("intake", "raw", "lease")] == [0, 0, 0]


async def test_a_person_that_crashes_the_process_alone_is_left_out_and_no_other(spine, record, database):
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

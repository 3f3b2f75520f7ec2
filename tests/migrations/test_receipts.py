"""What receipts say was sent, as arrays before, brought to one text and back."""

from __future__ import annotations

import psycopg
import pytest

from dispatcher.database import migrations

BEFORE, AFTER = "0007", "0008"
ADD = "INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome, sent) VALUES (%s, 1, 0, 1, %s, %s)"
SENT = "SELECT event_id, sent FROM outbox.receipt ORDER BY event_id"
ARRAYS = [(1, ["em:62a14e44", "external_id:5e884898", "value"]), (2, ["value"]), (3, None)]
TEXTS = [(1, "em:62a14e44 external_id:5e884898 value"), (2, "value"), (3, None)]


@pytest.fixture
def connection(empty_database):
    """A connection to a database of before, with receipts."""
    migrations.upgrade(empty_database, BEFORE)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        for event_id, sent in ARRAYS:
            connection.execute(ADD, (event_id, "delivered" if sent else "skipped", sent))
        yield connection


def test_what_was_sent_is_kept_there_and_back(connection, empty_database):
    migrations.upgrade(empty_database, AFTER)
    assert connection.execute(SENT).fetchall() == TEXTS
    migrations.downgrade(empty_database, BEFORE)
    assert connection.execute(SENT).fetchall() == ARRAYS


def test_a_dispatcher_of_before_can_still_settle_what_it_sent(connection, empty_database):
    migrations.upgrade(empty_database, AFTER)
    connection.execute(
        ADD.replace("VALUES (%s, 1, 0, 1, %s, %s)", "SELECT %s, 1, 0, 1, %s, %s::text[]"), (4, "delivered", ["em:1"])
    )
    assert connection.execute(SENT).fetchall() == [*TEXTS, (4, "{em:1}")]

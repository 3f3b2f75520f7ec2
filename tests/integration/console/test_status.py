"""The overview: how things are by what the tables say, and the sentence that is made of it."""

from __future__ import annotations

import pytest

from dispatcher.config import Config
from dispatcher.console.health_summary import verdict
from dispatcher.console.status import MOST_OWED, situation


class Tables:
    """What dispatchers write."""

    def __init__(self, connection):
        self.connection = connection

    def dispatcher(self, holder="one", *, since="12 min", seen="1 s"):
        self.connection.execute(
            "INSERT INTO outbox.dispatcher (holder, started_at, seen_at) "
            "VALUES (%s, outbox.clock() - %s::interval, outbox.clock() - %s::interval) "
            "ON CONFLICT (holder) DO UPDATE SET seen_at = excluded.seen_at",
            (holder, since, seen),
        )

    def state(self, destination, state="running", reason=None, *, holder="one", since="12 min", seen="1 s"):
        self.connection.execute(
            "INSERT INTO outbox.destination_state (destination, holder, state, reason, since, seen_at) "
            "VALUES (%s, %s, %s, %s, outbox.clock() - %s::interval, outbox.clock() - %s::interval) "
            "ON CONFLICT (destination, holder) DO UPDATE SET state = excluded.state, reason = excluded.reason",
            (destination, holder, state, reason, since, seen),
        )

    def minute(self, destination, outcome, count, reason="", *, back=5, seconds=0.0, longest=0.0):
        self.connection.execute(
            "INSERT INTO outbox.delivery_count (minute, destination, outcome, reason, count, seconds, longest) "
            "VALUES (date_trunc('minute', outbox.clock()) - %s * interval '1 min', %s, %s, %s, %s, %s, %s)",
            (back, destination, outcome, reason, count, seconds, longest),
        )

    def enqueue(self, destination, count, ago="1 s"):
        """Events that were recorded some time ago and are owed since."""
        self.connection.execute("ALTER TABLE outbox.event DISABLE TRIGGER event_recorded")
        self.connection.execute(
            "WITH event AS (INSERT INTO outbox.event (name, recorded_at, occurred_at) "
            "SELECT 'lead_submitted', outbox.clock() - %(ago)s::interval, outbox.clock() - %(ago)s::interval "
            "FROM generate_series(1, %(count)s) RETURNING id) "
            "INSERT INTO outbox.delivery (destination, due_at, event_id) "
            "SELECT %(to)s, outbox.clock() - %(ago)s::interval, id FROM event",
            {"ago": ago, "count": count, "to": destination},
        )


@pytest.fixture
def tables(connection):
    return Tables(connection)


@pytest.fixture
def running(tables):
    """A dispatcher for which everything runs, and both destinations take everything."""
    tables.dispatcher()
    for destination in (1, 2):
        tables.state(destination)
        tables.minute(destination, "delivered", 100, seconds=40.0, longest=1.5)
    return tables


@pytest.fixture
def says(database):
    """What the overview says: level, headline, more, what to do, in this order, of each finding."""

    async def says():
        found = verdict(await situation(database, Config()))
        return [
            (finding.level, " ".join(filter(None, (finding.headline, finding.more, finding.do)))) for finding in found
        ]

    return says


@pytest.mark.usefixtures("running")
async def test_when_all_is_well_one_sentence_says_so(says):
    assert await says() == [("good", "Conversions arrive. Meta and GA4 take everything; nothing waits.")]


async def test_what_waits_a_moment_is_no_trouble(running, says):
    running.enqueue(1, 3, ago="2 s")
    ((level, sentence),) = await says()
    assert level == "good"
    assert "the oldest owed waits 2." in sentence


async def test_a_dispatcher_that_had_nothing_to_send_since_a_recovery_is_no_trouble(running, says):
    running.state(1, "halted", "permission missing", holder="idle", since="20 min")
    assert await says() == [("good", "Conversions arrive. Meta and GA4 take everything; nothing waits.")]


async def test_what_fails_while_nothing_is_owed_is_no_trouble(running, says):
    running.state(1, "failing", "server error")
    assert [level for level, _ in await says()] == ["good"]


async def test_where_all_dies_nothing_is_called_well(tables, says):
    for destination in (0, 1, 2):
        tables.state(destination)
    tables.minute(1, "failed", 500, "invalid parameter")
    ((level, sentence),) = await says()
    assert level == "bad"
    assert sentence.startswith("500 of 500 deliveries to Meta were given up in the last hour.")


async def test_where_nothing_arrives_as_it_is_paused_that_is_said_first(tables, says):
    for destination in (0, 1, 2):
        tables.state(destination)
    tables.connection.execute("UPDATE outbox.destination SET paused = true WHERE id = 1")
    ((level, sentence),) = await says()
    assert (level, sentence.startswith("Meta is paused")) == ("fair", True)


async def test_what_a_paused_step_holds_back_is_not_behind(running, says):
    running.connection.execute("UPDATE outbox.route SET paused = true WHERE step = 'lead_submitted'")
    running.enqueue(1, 10, ago="10 h")
    found = await says()
    assert [level for level, _ in found] == ["good", "fair"]
    assert "nothing waits but what is paused" in found[0][1]
    assert found[1][1] == (
        "At Meta lead submitted is paused; what is held back has waited for 10 h. Nothing is lost for 7 days. "
        "Resume it under Destinations."
    )


async def test_a_requeue_waits_since_it_was_decided_and_is_lost_by_when_it_happened(running, says, database):
    running.enqueue(1, 1, ago="70 h")
    running.connection.execute(
        "INSERT INTO outbox.revision (event_id, destination, revision, reason) SELECT event_id, 1, 1, 'requeued' FROM outbox.delivery"
    )
    running.connection.execute("UPDATE outbox.delivery SET revision = 1")
    assert [level for level, _ in await says()] == ["good"]
    age = (await situation(database, Config())).destinations[0].pending.age
    assert age.working < 60
    assert age.happened > 69 * 3600


async def test_a_quiet_hour_is_no_trouble(tables, says):
    for destination in (0, 1, 2):
        tables.state(destination)
    ((level, sentence),) = await says()
    assert (level, sentence.startswith("Nothing was delivered in the last hour, and nothing is wrong.")) == (
        "good",
        True,
    )


async def test_without_a_dispatcher_it_says_to_start_one(tables, says):
    tables.enqueue(1, 5)
    ((level, sentence),) = await says()
    assert level == "bad"
    assert "No dispatcher has been heard of" in sentence
    assert "5 deliveries wait. Start one: outbox dispatch" in sentence
    tables.dispatcher(seen="91 s")
    assert "No dispatcher is running; the last was heard of 2 min ago." in (await says())[0][1]


async def test_a_token_that_is_refused_is_said_with_what_waits_until_when_and_what_to_do(running, says):
    running.state(1, "halted", "access token invalid or expired")
    running.enqueue(1, 1204, ago="1 day")
    level, sentence = (await says())[0]
    assert level == "bad"
    assert "Meta is halted since" in sentence
    assert "its token is refused. 1,204 wait. Nothing is lost for 6 days." in sentence
    assert sentence.endswith("Put a new token in META_CAPI_TOKEN, then restart the dispatchers.")


async def test_a_window_that_nears_its_end_is_said(running, says):
    running.state(2, "halted", "GA4_API_SECRET is not set")
    running.enqueue(2, 1, ago="70 hours")
    sentence = (await says())[0][1]
    assert "a setting is missing: GA4_API_SECRET is not set." in sentence
    assert "1 waits. Nothing is lost for 1 h 55 min only." in sentence


async def test_what_a_dispatcher_came_to_last_counts_and_one_that_is_gone_does_not(running, database):
    running.enqueue(1, 1)
    running.state(1, "halted", "permission missing", holder="idle", since="20 min")
    running.state(1, "failing", "server error", holder="two", since="10 min")
    running.state(1, "halted", "permission missing", holder="gone", seen="5 min")
    running.dispatcher("two")
    running.dispatcher("gone", seen="5 min")
    found = await situation(database, Config())
    meta = found.destinations[0]
    assert (meta.state, meta.reason, meta.reported_by, len(found.here)) == ("failing", "server error", 1, 2)


@pytest.mark.parametrize(
    ("switch", "says_so"),
    [("paused = true", "Meta is paused. 7 wait."), ("enabled = false", "Meta is switched off: nothing is sent there.")],
)
async def test_what_an_operator_switched_is_no_fault(running, says, switch, says_so):
    running.connection.execute(f"UPDATE outbox.destination SET {switch} WHERE id = 1")
    running.enqueue(1, 7)
    found = await says()
    assert [level for level, _ in found] == ["good", "fair"]
    assert found[1][1].startswith(says_so)


async def test_throttled_goes_on_by_itself(running, says):
    running.state(2, "throttled", "too many requests")
    found = await says()
    assert [level for level, _ in found] == ["good", "fair"]
    assert "GA4 asks us to slow down" in found[1][1]


async def test_what_was_given_up_is_said_though_the_rest_arrives(running, says):
    running.minute(1, "failed", 9, "missing value")
    found = await says()
    assert [level for level, _ in found] == ["good", "fair"]
    assert found[1][1].startswith("9 of 109 deliveries to Meta were given up in the last hour.")


async def test_who_falls_behind_is_said(running, says):
    running.enqueue(1, 10, ago="12 min")
    level, sentence = (await says())[0]
    assert (level, "Meta is behind: 10 are owed, the oldest for 12 min." in sentence) == ("bad", True)


async def test_minutes_latency_and_the_last_complaint(running, database):
    running.minute(1, "transient", 4, "server error", back=7)
    running.minute(1, "throttled", 1, "rate limit", back=2)
    running.minute(1, "skipped", 2, "consent", back=2)
    running.minute(1, "delivered", 900, back=61, seconds=9000.0)
    meta, ga4 = (await situation(database, Config())).destinations
    assert len(meta.minutes) == 60
    assert (meta.total("delivered"), meta.total("failed"), meta.total("failed_attempts"), meta.total("skipped")) == (
        100,
        5,
        0,
        2,
    )
    assert (meta.mean, meta.longest) == (0.4, 1.5)
    assert (meta.last_error.outcome, meta.last_error.reason) == ("throttled", "rate limit")
    assert ga4.last_error is None
    assert meta.in_a_day["delivered"] == 1000


async def test_a_long_queue_is_counted_so_far_and_no_farther(running, database):
    running.enqueue(1, MOST_OWED + 5)
    meta, ga4 = (await situation(database, Config())).destinations
    assert str(meta.pending) == "more than 100,000"
    assert str(ga4.pending) == "0"


async def test_what_intake_holds_up_is_said(tables, says):
    for destination in (0, 1, 2):
        tables.state(destination)
    tables.connection.execute(
        "INSERT INTO outbox.event (name, recorded_at) SELECT 'lead_submitted', outbox.clock() - interval '3 min' "
        "FROM generate_series(1, 4)"
    )
    level, sentence = (await says())[0]
    assert (level, "Intake is behind: 4 events wait to be taken in, the oldest for 3 min." in sentence) == ("bad", True)

"""The overview: the situation read from the tables, and its verdicts."""

from __future__ import annotations

import pytest

from dispatcher.config import Config
from dispatcher.console.health_summary import summarize
from dispatcher.console.status import MAX_PENDING, read_situation


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
        """Add events that were recorded some time ago and have been pending since."""
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
    """A running dispatcher, and both destinations accept everything."""
    tables.dispatcher()
    for destination in (1, 2):
        tables.state(destination)
        tables.minute(destination, "delivered", 100, seconds=40.0, longest=1.5)
    return tables


@pytest.fixture
def verdicts(database):
    """The verdicts of the overview: of each the level, and headline, more and what to do as one text."""

    async def verdicts():
        found = summarize(await read_situation(database, Config()))
        return [
            (verdict.level, " ".join(filter(None, (verdict.headline, verdict.more, verdict.do)))) for verdict in found
        ]

    return verdicts


@pytest.mark.usefixtures("running")
async def test_a_healthy_situation_is_one_sentence(verdicts):
    assert await verdicts() == [("good", "Conversions arrive. Meta and GA4 accept everything; nothing is waiting.")]


async def test_a_short_wait_is_no_problem(running, verdicts):
    running.enqueue(1, 3, ago="2 s")
    ((level, sentence),) = await verdicts()
    assert level == "good"
    assert "the oldest pending delivery has waited 2." in sentence


async def test_an_idle_dispatcher_s_old_report_is_no_problem_after_a_recovery(running, verdicts):
    running.state(1, "halted", "permission missing", holder="idle", since="20 min")
    assert await verdicts() == [("good", "Conversions arrive. Meta and GA4 accept everything; nothing is waiting.")]


async def test_a_failing_destination_with_nothing_pending_is_no_problem(running, verdicts):
    running.state(1, "failing", "server error")
    assert [level for level, _ in await verdicts()] == ["good"]


async def test_if_everything_fails_nothing_is_reported_as_good(tables, verdicts):
    tables.dispatcher()
    for destination in (1, 2):
        tables.state(destination)
    tables.minute(1, "failed", 500, "invalid parameter")
    ((level, sentence),) = await verdicts()
    assert level == "bad"
    assert sentence.startswith("500 of 500 deliveries to Meta failed for good in the last hour.")


async def test_if_nothing_arrives_because_of_a_pause_that_comes_first(tables, verdicts):
    tables.dispatcher()
    for destination in (1, 2):
        tables.state(destination)
    tables.connection.execute("UPDATE outbox.destination SET paused = true WHERE id = 1")
    ((level, sentence),) = await verdicts()
    assert (level, sentence.startswith("Meta is paused")) == ("fair", True)


async def test_a_paused_step_does_not_count_as_behind(running, verdicts):
    running.connection.execute("UPDATE outbox.route SET paused = true WHERE step = 'lead_submitted'")
    running.enqueue(1, 10, ago="10 h")
    found = await verdicts()
    assert [level for level, _ in found] == ["good", "fair"]
    assert "only paused deliveries are waiting" in found[0][1]
    assert found[1][1] == (
        "Paused steps at Meta: lead submitted. The oldest delivery held back has waited for 10 h. "
        "Nothing is lost if this ends within 7 days. Resume them under Destinations."
    )


async def test_a_requeue_waits_from_its_decision_but_its_window_counts_from_the_event(running, verdicts, database):
    running.enqueue(1, 1, ago="70 h")
    running.connection.execute(
        "INSERT INTO outbox.revision (event_id, destination, revision, reason) SELECT event_id, 1, 1, 'requeued' FROM outbox.delivery"
    )
    running.connection.execute("UPDATE outbox.delivery SET revision = 1")
    assert [level for level, _ in await verdicts()] == ["good"]
    age = (await read_situation(database, Config())).destinations[0].pending.age
    assert age.working < 60
    assert age.happened > 69 * 3600


async def test_a_quiet_hour_is_no_problem(tables, verdicts):
    tables.dispatcher()
    for destination in (1, 2):
        tables.state(destination)
    ((level, sentence),) = await verdicts()
    assert (level, sentence.startswith("Nothing was delivered in the last hour, and nothing is wrong.")) == (
        "good",
        True,
    )


async def test_without_a_dispatcher_it_says_to_start_one(tables, verdicts):
    tables.enqueue(1, 5)
    ((level, sentence),) = await verdicts()
    assert level == "bad"
    assert "No dispatcher has reported" in sentence
    assert "5 deliveries are waiting. Start one: outbox dispatch" in sentence
    tables.dispatcher(seen="91 s")
    assert "No dispatcher is running. The last one reported 2 min ago." in (await verdicts())[0][1]


async def test_a_refused_token_is_reported_with_what_waits_how_long_and_what_to_do(running, verdicts):
    running.state(1, "halted", "access token invalid or expired")
    running.enqueue(1, 1204, ago="1 day")
    level, sentence = (await verdicts())[0]
    assert level == "bad"
    assert "Meta is halted since" in sentence
    assert (
        "the destination refuses the token. 1,204 are waiting. Nothing is lost if this ends within 6 days." in sentence
    )
    assert sentence.endswith("Put a new token in META_CAPI_TOKEN, then restart the dispatchers.")


async def test_a_window_that_will_close_soon_is_reported(running, verdicts):
    running.state(2, "halted", "GA4_API_SECRET is not set")
    running.enqueue(2, 1, ago="70 hours")
    sentence = (await verdicts())[0][1]
    assert "a setting is missing: GA4_API_SECRET is not set." in sentence
    assert "1 is waiting. Only 1 h 55 min left before the first is lost." in sentence


async def test_the_latest_report_counts_and_that_of_a_dispatcher_that_is_gone_does_not(running, database):
    running.enqueue(1, 1)
    running.state(1, "halted", "permission missing", holder="idle", since="20 min")
    running.state(1, "failing", "server error", holder="two", since="10 min")
    running.state(1, "halted", "permission missing", holder="gone", seen="5 min")
    running.dispatcher("two")
    running.dispatcher("gone", seen="5 min")
    found = await read_situation(database, Config())
    meta = found.destinations[0]
    assert (meta.state, meta.reason, meta.reported_by, len(found.running)) == ("failing", "server error", 1, 2)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("paused = true", "Meta is paused. 7 are waiting."),
        ("enabled = false", "Meta is disabled: nothing is sent there."),
    ],
)
async def test_a_pause_and_a_disabled_destination_are_no_error(running, verdicts, change, sentence):
    running.connection.execute(f"UPDATE outbox.destination SET {change} WHERE id = 1")
    running.enqueue(1, 7)
    found = await verdicts()
    assert [level for level, _ in found] == ["good", "fair"]
    assert found[1][1].startswith(sentence)


async def test_a_throttled_destination_is_no_error(running, verdicts):
    running.state(2, "throttled", "too many requests")
    found = await verdicts()
    assert [level for level, _ in found] == ["good", "fair"]
    assert "GA4 is throttled" in found[1][1]


async def test_failed_deliveries_are_reported_even_if_the_rest_arrives(running, verdicts):
    running.minute(1, "failed", 9, "missing value")
    found = await verdicts()
    assert [level for level, _ in found] == ["good", "fair"]
    assert found[1][1].startswith("9 of 109 deliveries to Meta failed for good in the last hour.")


async def test_a_destination_that_falls_behind_is_reported(running, verdicts):
    running.enqueue(1, 10, ago="12 min")
    level, sentence = (await verdicts())[0]
    assert (level, "Meta is behind: 10 pending, the oldest for 12 min." in sentence) == ("bad", True)


async def test_minutes_latency_and_the_last_error(running, database):
    running.minute(1, "transient", 4, "server error", back=7)
    running.minute(1, "throttled", 1, "rate limit", back=2)
    running.minute(1, "skipped", 2, "consent", back=2)
    running.minute(1, "delivered", 900, back=61, seconds=9000.0)
    meta, ga4 = (await read_situation(database, Config())).destinations
    assert len(meta.minutes) == 60
    assert (meta.total("delivered"), meta.total("failed"), meta.total("failed_attempts"), meta.total("skipped")) == (
        100,
        0,
        5,
        2,
    )
    assert (meta.mean, meta.longest) == (0.4, 1.5)
    assert (meta.last_error.outcome, meta.last_error.reason) == ("throttled", "rate limit")
    assert ga4.last_error is None
    assert meta.in_a_day["delivered"] == 1000


async def test_a_long_queue_is_counted_up_to_a_limit(running, database):
    running.enqueue(1, MAX_PENDING + 5)
    meta, ga4 = (await read_situation(database, Config())).destinations
    assert str(meta.pending) == "more than 100,000"
    assert str(ga4.pending) == "0"


async def test_intake_that_is_behind_is_reported(tables, verdicts):
    tables.dispatcher()
    for destination in (1, 2):
        tables.state(destination)
    tables.connection.execute(
        "INSERT INTO outbox.event (name, recorded_at) SELECT 'lead_submitted', outbox.clock() - interval '3 min' "
        "FROM generate_series(1, 4)"
    )
    level, sentence = (await verdicts())[0]
    assert (level, "Intake is behind: 4 events are waiting, the oldest for 3 min." in sentence) == ("bad", True)

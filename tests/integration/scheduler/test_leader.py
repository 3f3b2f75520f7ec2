"""The scheduled jobs: the daily messages, once a day whoever is the leader; removal of old counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import structlog.testing

from dispatcher.config import Config
from dispatcher.config import Schedule as Times
from dispatcher.config.settings import Secret
from dispatcher.scheduler.jobs import JOBS
from dispatcher.scheduler.leader import LeaderElection
from tests.support.inbox import open_inbox
from tests.support.waiting import until

TERM = timedelta(seconds=60)


@pytest.fixture
async def inbox():
    async with open_inbox() as inbox:
        yield inbox


@pytest.fixture
async def schedule(settings, inbox, database):
    """Return a function that makes a schedule whose daily messages are due at `report_at` (UTC)."""
    started = []

    def schedule(report_at, holder="one"):
        config = Config(schedule=Times(report_at=report_at.time(), zone="UTC", token_expires=None))
        made = LeaderElection(
            database, replace(settings, alert_urls=Secret(inbox.url)), config, holder=holder, term=TERM
        )
        started.append(made)
        return made

    yield schedule
    for made in started:
        await made.close()


def minutes_ago(minutes):
    return datetime.now(UTC) - timedelta(minutes=minutes)


@pytest.fixture
def counted(connection):
    connection.execute(
        """
        INSERT INTO outbox.delivery_count (minute, destination, outcome, reason, count) VALUES
            (outbox.clock() - interval '1 hour', 1, 'delivered', '', 7),
            (outbox.clock() - interval '1 hour', 1, 'failed', 'missing value', 2),
            (outbox.clock() - interval '1 hour', 1, 'transient', 'server error', 9),
            (outbox.clock() - interval '30 hours', 1, 'failed', 'window closed', 5);
        INSERT INTO outbox.field_coverage (day, destination, step, field, events) VALUES
            ((now() AT TIME ZONE 'UTC')::date - 1, 1, 'lead_submitted', '', 7),
            ((now() AT TIME ZONE 'UTC')::date - 1, 1, 'lead_submitted', 'em', 7)
        """
    )


@pytest.mark.usefixtures("counted")
async def test_missed_daily_messages_are_sent_later_and_once(schedule, inbox):
    first = schedule(minutes_ago(30))
    await first.step()
    await until(lambda: len(inbox.mail) == 2)
    (title, text), (dead_title, dead_text) = sorted(inbox.mail, reverse=True)
    assert title == "Conversions: daily report"
    assert "meta: delivered 7, skipped 0, failed 2" in text
    assert "Lead (lead_submitted), 7 events, estimate 2.0 of 10" in text
    assert dead_title == "Conversions: 2 dead letters in 24 hours"
    assert "meta: 2 failed (missing value)." in dead_text
    # The next leader sees that it was done.
    await first.close()
    second = schedule(minutes_ago(30), holder="two")
    await second.step()
    assert second._scheduler.get_job("report").next_run_time < datetime.now(UTC)
    await until(lambda: second._scheduler.get_job("report").next_run_time > datetime.now(UTC))
    await second._context.watch.check()
    assert len(inbox.mail) == 2


async def test_without_dead_letters_there_is_no_digest_and_too_late_is_tomorrow(schedule, inbox):
    at = minutes_ago(90)
    made = schedule(at)
    await made.step()
    due = made._scheduler.get_job("report").next_run_time
    assert due > datetime.now(UTC)
    assert (due.hour, due.minute) == (at.hour, at.minute)
    for job in JOBS:
        if job.name in {"report", "dead letters"}:
            await job.run(made._context)
    assert inbox.titles() == ["Conversions: daily report"]
    assert "nothing was due" in inbox.mail[0][1]


async def test_counts_are_removed_after_their_time(schedule, connection):
    connection.execute(
        """
        INSERT INTO outbox.delivery_count (minute, destination, outcome, count)
        SELECT outbox.clock() - days * interval '1 day', 1, 'delivered', 1 FROM unnest(ARRAY[0, 34, 36]) AS days;
        INSERT INTO outbox.field_coverage (day, destination, step, field, events)
        SELECT (outbox.clock() AT TIME ZONE 'UTC')::date - days, 1, 'x', '', 1 FROM unnest(ARRAY[0, 399, 401]) AS days;
        INSERT INTO outbox.destination_state (destination, holder, state, since, seen_at)
        SELECT 1, hours::text, 'running', outbox.clock(), outbox.clock() - hours * interval '1 hour' FROM unnest(ARRAY[1, 25]) AS hours;
        INSERT INTO outbox.alert (kind, subject, message, raised_at)
        SELECT kind, hours::text, '', outbox.clock() - hours * interval '1 hour'
        FROM unnest(ARRAY[1, 49]) AS hours, unnest(ARRAY['message', 'halted']) AS kind
        """
    )
    (sweep,) = (job for job in JOBS if job.name == "counts")
    await sweep.run(schedule(minutes_ago(90))._context)
    left = {
        table: connection.execute(f"SELECT count(*) FROM outbox.{table}").fetchone()[0]
        for table in ("delivery_count", "field_coverage", "destination_state", "alert")
    }
    assert left == {"delivery_count": 2, "field_coverage": 2, "destination_state": 1, "alert": 3}


async def test_alerts_are_checked_every_few_seconds(schedule, inbox, connection):
    connection.execute(
        "INSERT INTO outbox.destination_state (destination, holder, state, reason, since) "
        "VALUES (1, 'a', 'halted', 'permission missing', outbox.clock())"
    )
    await schedule(minutes_ago(90)).step()
    await until(lambda: inbox.mail)
    assert inbox.titles() == ["Conversions: attention"]


async def test_a_failing_job_is_logged_by_error_type_and_the_others_go_on(schedule, connection, inbox):
    connection.execute("ALTER TABLE outbox.destination_state RENAME TO gone")
    with structlog.testing.capture_logs() as lines:
        await schedule(minutes_ago(30)).step()
        await until(lambda: inbox.titles() == ["Conversions: daily report"])
        await until(lambda: [line for line in lines if line["log_level"] == "error"])
    failed = [line for line in lines if line["log_level"] == "error"]
    assert {(line["job"], line["error"]) for line in failed} == {("alerts", "UndefinedTable")}
    connection.execute("ALTER TABLE outbox.gone RENAME TO destination_state")

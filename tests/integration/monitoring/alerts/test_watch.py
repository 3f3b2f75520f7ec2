"""One message when an alert is raised and one when it is over, however often and by however many it is checked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import structlog.testing

from dispatcher.config import Config, Schedule
from dispatcher.config.settings import Secret
from dispatcher.monitoring.alerts import Watch
from dispatcher.monitoring.alerts.conditions import CALM_SECONDS
from dispatcher.monitoring.destination_status import destination_statuses

FRESH = timedelta(seconds=60)
ATTENTION, ALL_CLEAR = "Conversions: attention", "Conversions: all clear"


@pytest.fixture
def watch(settings, inbox, database):
    """Return a function that makes a new watch, as a dispatcher that was just started has."""
    alerting = replace(settings, alert_urls=Secret(inbox.url))
    return lambda config=None: Watch(database, alerting, config or Config(), fresh=FRESH)


@pytest.fixture
def see(connection):
    """Return a function that reports a state of a destination."""

    def see(state, reason=None, *, holder="a", destination=1, since=0.0):
        connection.execute(
            """
            INSERT INTO outbox.destination_state (since, seen_at, destination, holder, state, reason)
            VALUES (outbox.clock() - %(since)s * interval '1 s', outbox.clock(), %(destination)s, %(holder)s, %(state)s, %(reason)s)
            ON CONFLICT (destination, holder) DO UPDATE
            SET since = excluded.since, seen_at = excluded.seen_at, state = excluded.state, reason = excluded.reason
            """,
            {"since": since, "destination": destination, "holder": holder, "state": state, "reason": reason},
        )

    return see


async def test_a_halted_destination_is_one_alert_and_one_all_clear(watch, see, inbox, connection):
    see("halted", "access token invalid or expired")
    first = watch()
    for _ in range(3):
        await first.check()
    assert inbox.titles() == [ATTENTION]
    assert "meta is halted: access token invalid or expired" in inbox.mail[0][1]
    see("running", since=CALM_SECONDS)
    for _ in range(3):
        await first.check()
    assert inbox.titles() == [ATTENTION, ALL_CLEAR]
    assert inbox.mail[1][1].startswith("meta is no longer halted.")
    assert connection.execute("SELECT count(*) FROM outbox.alert").fetchone() == (0,)


async def test_a_restart_neither_repeats_it_nor_calls_it_off(watch, see, inbox):
    see("halted", "permission missing")
    await watch().check()
    see("running")  # started anew, it believes the destination well until the first answer
    await watch().check()
    see("halted", "permission missing")
    await watch().check()
    assert inbox.titles() == [ATTENTION]


async def test_several_dispatchers_send_one_alert(watch, see, inbox):
    for holder in "abc":
        see("halted", "permission missing", holder=holder)
    await asyncio.gather(*(watch().check() for _ in range(4)))
    assert inbox.titles() == [ATTENTION]
    see("running", since=CALM_SECONDS, holder="a")
    await watch().check()
    assert inbox.titles() == [ATTENTION]  # two still see it halted
    for holder in "bc":
        see("running", since=CALM_SECONDS, holder=holder)
    await asyncio.gather(*(watch().check() for _ in range(4)))
    assert inbox.titles() == [ATTENTION, ALL_CLEAR]


async def test_a_dispatcher_that_had_nothing_to_send_since_does_not_keep_it_alive(watch, see, inbox):
    see("halted", "permission missing", holder="a")
    see("halted", "permission missing", holder="b", since=3600)
    await watch().check()
    see("running", holder="a", since=CALM_SECONDS)
    await watch().check()
    assert inbox.titles() == [ATTENTION, ALL_CLEAR]


async def test_after_a_quiet_time_the_next_alert_comes_as_soon(watch, see, inbox):
    one = watch()
    for _ in range(2):
        await one.check()
    see("halted", "permission missing")
    await one.check()
    see("running", since=CALM_SECONDS)
    for _ in range(2):
        await one.check()
    assert inbox.titles() == [ATTENTION, ALL_CLEAR]


async def test_a_message_that_could_not_be_sent_is_sent_again_though_all_is_well(watch, inbox, clock):
    one = watch()
    await one.check()
    inbox.status = 503
    await one.send_message("report of 2026-11-24", "A title\n\nand a text")
    await one.check()
    inbox.status = 200
    clock.move(seconds=61)
    await one.check()
    await one.check()
    assert inbox.mail == [("A title", "and a text")]


async def test_what_could_not_be_sent_is_sent_later_and_once(watch, see, inbox, clock):
    inbox.status = 503
    see("halted", "permission missing")
    await watch().check()
    inbox.status = 200
    await watch().check()
    assert inbox.mail == []  # not at once again
    clock.move(seconds=61)
    see("halted", "permission missing", since=61)
    await watch().check()
    await watch().check()
    assert inbox.titles() == [ATTENTION]


async def test_the_all_clear_too_is_sent_later_and_once(watch, see, inbox, clock):
    see("halted", "permission missing")
    await watch().check()
    inbox.status = 503
    see("running", since=CALM_SECONDS)
    await watch().check()
    inbox.status = 200
    clock.move(seconds=61)
    see("running", since=CALM_SECONDS + 61)
    await watch().check()
    await watch().check()
    assert inbox.titles() == [ATTENTION, ALL_CLEAR]


async def test_what_halts_again_before_the_all_clear_was_sent_is_the_same_alert(watch, see, inbox, clock):
    see("halted", "permission missing")
    await watch().check()
    inbox.status = 503
    see("running", since=CALM_SECONDS)
    await watch().check()
    inbox.status = 200
    clock.move(seconds=61)
    see("halted", "permission missing")
    await watch().check()
    assert inbox.titles() == [ATTENTION]


async def test_what_passed_before_it_was_sent_is_not_mentioned(watch, see, inbox, connection):
    inbox.status = 503
    see("halted", "permission missing")
    await watch().check()
    inbox.status = 200
    see("running", since=CALM_SECONDS)
    await watch().check()
    assert inbox.mail == []
    assert connection.execute("SELECT count(*) FROM outbox.alert").fetchone() == (0,)


async def test_a_growing_backlog_raises_an_alert_and_its_end_an_all_clear(watch, see, inbox, spine):
    event = spine.record(name="lead_submitted", handl_id="h1")
    spine.connection.execute("DELETE FROM outbox.intake")
    spine.connection.execute(
        "INSERT INTO outbox.delivery (destination, due_at, event_id) VALUES (2, outbox.clock(), %s)", (event,)
    )
    see("failing", "server error", destination=2)
    await watch().check()
    assert inbox.mail == []
    spine.clock.move(minutes=31)
    see("failing", "server error", destination=2)
    await watch().check()
    await watch().check()
    assert inbox.titles() == [ATTENTION]
    assert (
        "ga4 is behind: the oldest delivery has been pending for 31 minutes; it is failing (server error)."
        in inbox.mail[0][1]
    )
    spine.connection.execute("DELETE FROM outbox.delivery")
    await watch().check()
    assert inbox.mail[1:] == [(ALL_CLEAR, "ga4 has caught up. It took 0 minutes.")]


@pytest.mark.parametrize("revision", [0, 1])
async def test_a_re_send_is_pending_since_it_was_decided_however_old_its_event(watch, see, inbox, spine, revision):
    event = spine.record(name="lead_submitted", handl_id="h1")
    spine.connection.execute("DELETE FROM outbox.intake")
    spine.clock.move(hours=10)
    spine.connection.execute(
        "INSERT INTO outbox.revision (event_id, destination, revision, reason) VALUES (%s, 1, 1, 'requeued')", (event,)
    )
    spine.connection.execute(
        "INSERT INTO outbox.delivery (destination, due_at, event_id, revision) VALUES (1, outbox.clock(), %s, %s)",
        (event, revision),
    )
    see("running")
    await watch().check()
    assert inbox.titles() == ([] if revision else [ATTENTION])
    # Nor when it is met while it is sent.
    spine.connection.execute("DELETE FROM outbox.delivery")
    spine.connection.execute(
        "INSERT INTO outbox.lease (destination, holder, expires_at, event_ids, revisions, tries, first_unknown_ats) "
        "VALUES (1, 'a', outbox.clock() + interval '1 min', ARRAY[%s]::bigint[], ARRAY[%s]::smallint[], '{0}', '{NULL}')",
        (event, revision),
    )
    await watch().check()
    assert inbox.titles() == ([] if revision else [ATTENTION])


@pytest.fixture
def behind(see, spine):
    """Return a spine with a delivery to Meta that has been pending for 31 minutes."""
    event = spine.record(name="lead_submitted", handl_id="h1")
    spine.connection.execute("DELETE FROM outbox.intake")
    spine.connection.execute(
        "INSERT INTO outbox.delivery (destination, due_at, event_id) VALUES (1, outbox.clock(), %s)", (event,)
    )
    spine.clock.move(minutes=31)
    see("running")
    return spine


async def test_what_was_behind_has_not_caught_up_because_it_halts(watch, see, inbox, behind):
    await watch().check()
    see("halted", "permission missing")
    await watch().check()
    behind.connection.execute("DELETE FROM outbox.delivery")
    await watch().check()
    assert inbox.titles() == [ATTENTION, ATTENTION]
    see("running", since=CALM_SECONDS)
    await watch().check()
    assert sorted(text.split(".")[0] for title, text in inbox.mail if title == ALL_CLEAR) == [
        "meta has caught up",
        "meta is no longer halted",
    ]


async def test_what_is_switched_off_has_not_caught_up_either(watch, see, inbox, behind):
    await watch().check()
    see("halted", "permission missing")
    await watch().check()
    behind.connection.execute("UPDATE outbox.destination SET enabled = false WHERE id = 1")
    await watch().check()
    assert inbox.titles() == [ATTENTION, ATTENTION]
    assert behind.connection.execute("SELECT count(*) FROM outbox.alert").fetchone() == (0,)


@pytest.mark.usefixtures("behind")
async def test_a_paused_step_is_named_as_the_cause(watch, inbox, connection):
    connection.execute("UPDATE outbox.route SET paused = true WHERE destination = 1 AND step = 'lead_submitted'")
    await watch().check()
    assert "A step is paused at meta: its oldest delivery has been pending for 31 minutes" in inbox.mail[0][1]


async def test_the_text_follows_changes_without_a_new_message(watch, see, inbox, connection):
    def message():
        return connection.execute("SELECT message FROM outbox.alert").fetchone()[0]

    see("halted", "permission missing")
    await watch().check()
    see("halted", "access token refused")
    await watch().check()
    assert "meta is halted: access token refused" in message()
    see("running")  # it may be, or not; what is known stays
    await watch().check()
    assert "meta is halted: access token refused" in message()
    assert inbox.titles() == [ATTENTION]


async def test_a_failing_destination_without_deliveries_counts_as_running(see, database, behind):
    see("failing", "server error")

    async def meta():
        return destination_statuses(await database.run("read_destination_status", {"fresh": FRESH}))[1]

    assert ((await meta()).state, (await meta()).reason) == ("failing", "server error")
    behind.connection.execute("DELETE FROM outbox.delivery")
    assert ((await meta()).state, (await meta()).reason) == ("running", None)


async def test_an_event_that_lies_ahead_is_no_backlog(watch, inbox, spine, database):
    ahead = datetime.fromtimestamp(spine.clock.now() + 6 * 86400, UTC)
    spine.record(name="lead_submitted", handl_id="h1", occurred_at=ahead.isoformat())
    await spine.drain()
    spine.clock.move(days=5)
    await watch().check()
    assert inbox.mail == []
    statuses = destination_statuses(await database.run("read_destination_status", {"fresh": FRESH}))
    assert {each.age.longest for each in statuses.values()} == {None}


async def test_a_reminder_comes_once_and_its_successor_instead_of_an_all_clear(watch, inbox):
    today = datetime.now(UTC).date()
    for left in (10, 10, 2, 400):
        config = Config(schedule=Schedule(token_expires=today + timedelta(days=left)))
        await watch(config).check()
    assert [text for _, text in inbox.mail] == [
        f"Meta's access token ends on {today + timedelta(days=10)}, in 10 days: renew META_CAPI_TOKEN.",
        f"Meta's access token ends on {today + timedelta(days=2)}, in 2 days: renew META_CAPI_TOKEN.",
    ]


async def test_a_message_is_sent_once_however_often_it_is_requested(watch, inbox):
    await asyncio.gather(*(watch().send_message("report of 2026-11-24", "A title\n\nand a text") for _ in range(3)))
    await watch().check()
    assert inbox.mail == [("A title", "and a text")]


async def test_without_an_address_it_is_logged_once(database, settings, see):
    see("halted", "permission missing")
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            await Watch(database, settings, Config(), fresh=FRESH).check()
    (line,) = lines
    assert (line["event"], line["log_level"], line["kind"], line["subject"]) == ("alert", "warning", "halted", "meta")

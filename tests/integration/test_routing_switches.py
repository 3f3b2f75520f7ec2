"""An operator's switches: per destination and per event name, read by running dispatchers, kept by `migrate`."""

from __future__ import annotations

import pytest
from psycopg import OperationalError

from dispatcher.config.settings import Secret
from dispatcher.database import migrations
from dispatcher.database.connections import DATABASE_UNAVAILABLE, Database
from dispatcher.routing import set_state


def states(spine, event_id):
    return {destination: receipt for (event, destination), receipt in spine.receipts().items() if event == event_id}


def record(spine, event_id, name="lead_submitted"):
    spine.record(name=name, event_id=event_id, lead_id="1", person={"email": "ada@example.com"})


async def test_paused_deliveries_wait_and_continue_when_resumed(spine, database):
    assert await set_state(database, "meta", None, "pause")
    record(spine, "one")
    assert await spine.drain() == 1
    assert states(spine, "one") == {"ga4": ("delivered", None)}
    assert await set_state(database, "meta", None, "resume")
    assert await spine.drain() == 0
    assert states(spine, "one") == {"meta": ("delivered", None), "ga4": ("delivered", None)}


async def test_what_is_disabled_is_skipped_and_leaves_no_backlog(spine, database):
    assert await set_state(database, "ga4", None, "disable")
    record(spine, "one")
    assert await spine.drain() == 0
    assert await set_state(database, "ga4", None, "enable")
    record(spine, "two")
    assert await spine.drain() == 0
    assert states(spine, "one")["ga4"] == ("skipped", "disabled")
    assert states(spine, "two")["ga4"] == ("delivered", None)


@pytest.mark.parametrize("hindrance", ["paused", "without a token"])
async def test_what_waits_is_skipped_once_its_destination_is_disabled_and_is_not_sent_later(spine, database, hindrance):
    settings = spine.settings
    if hindrance == "paused":
        assert await set_state(database, "meta", None, "pause")
    else:
        spine.settings = settings.changed("meta", token=Secret())
    record(spine, "one")
    assert await spine.drain() == 1
    assert await set_state(database, "meta", None, "disable")
    assert await spine.drain() == 0
    spine.settings = settings
    assert await set_state(database, "meta", None, "enable")
    assert await set_state(database, "meta", None, "resume")
    assert await spine.drain() == 0
    assert states(spine, "one")["meta"] == ("skipped", "disabled")
    assert spine.arrivals("meta") == []


async def test_one_step_is_switched_separately(spine, database):
    assert await set_state(database, "meta", "lead_submitted", "disable")
    assert await set_state(database, "ga4", "lead_submitted", "pause")
    record(spine, "lead")
    record(spine, "mail", "email_verified")
    assert await spine.drain() == 1
    assert states(spine, "lead") == {"meta": ("skipped", "disabled")}
    assert states(spine, "mail") == {"meta": ("delivered", None), "ga4": ("delivered", None)}
    assert await set_state(database, "ga4", "lead_submitted", "resume")
    spine.clock.move(minutes=1)
    assert await spine.drain() == 0


async def test_switching_twice_is_switching_once_and_an_unknown_name_is_reported(database):
    assert await set_state(database, "meta", None, "pause")
    assert await set_state(database, "meta", None, "pause")
    assert not await set_state(database, "nobody", None, "pause")
    assert not await set_state(database, "meta", "nothing", "pause")
    assert not await set_state(database, "meta", "signed_in", "pause"), "a sign-in has no route"


async def test_migrate_and_dispatch_leave_switches_as_they_are(database, database_url, outbox, connection):
    await set_state(database, "meta", None, "pause")
    await set_state(database, "ga4", "lead_submitted", "disable")
    migrations.upgrade(database_url)
    assert (await outbox("migrate"))[0] == 0
    assert (await outbox("dispatch", "--drain"))[0] == 0
    assert connection.execute("SELECT name FROM outbox.destination WHERE paused").fetchall() == [("meta",)]
    assert connection.execute("SELECT step FROM outbox.route WHERE NOT enabled").fetchall() == [("lead_submitted",)]


async def test_an_unavailable_database_is_not_waited_for():
    async with Database.connect("postgresql://nobody@127.0.0.1:1/none") as database:
        with pytest.raises(DATABASE_UNAVAILABLE):
            await set_state(database, "meta", None, "pause")
    assert OperationalError in DATABASE_UNAVAILABLE

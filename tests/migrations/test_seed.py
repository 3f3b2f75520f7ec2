"""Seeding: the routing tables follow the funnel, and leave the operator's switches alone."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from dispatcher.config import Config
from dispatcher.database.seed_routing import seed
from outbox.taxonomy import Step, Target

FUNNEL = Config().steps
DESTINATIONS = Config().destinations()


@pytest.fixture
def sow(database_url):
    """Seed as a migration does."""

    def sow(funnel=FUNNEL, destinations=DESTINATIONS):
        with psycopg.connect(database_url) as connection:
            seed(connection, funnel, destinations)

    return sow


def rows(connection):
    """Return every row of the routing tables, with the transaction that wrote it."""
    return {
        row
        for table in ("step", "destination", "route")
        for row in connection.execute(
            f"SELECT '{table}', xmin::text, entry::text FROM outbox.{table} AS entry"
        ).fetchall()
    }


def names_at(connection, destination):
    """Return the event name of each step at a destination."""
    found = connection.execute(
        """
        SELECT step, event_name, parameters FROM outbox.route JOIN outbox.destination ON id = destination
        WHERE name = %s
        """,
        (destination,),
    )
    return {step: (name, parameters) for step, name, parameters in found}


def changed(name, **changes):
    """Return the funnel with one step changed."""
    return [replace(step, **changes) if step.name == name else step for step in FUNNEL]


def test_the_funnel_table_is_what_is_seeded(connection):
    for destination in ("meta", "ga4"):
        assert names_at(connection, destination) == {
            step.name: (target.event_name, target.parameters)
            for step in FUNNEL
            for name, target in step.targets.items()
            if name == destination
        }
    assert connection.execute("SELECT id, name, kind FROM outbox.destination ORDER BY id").fetchall() == [
        (1, "meta", "meta"),
        (2, "ga4", "ga4"),
    ]
    assert connection.execute(
        "SELECT action_source FROM outbox.step WHERE name = 'subscription_renewed'"
    ).fetchone() == ("system_generated",)


def test_seeding_again_writes_no_row(connection, sow):
    before = rows(connection)
    sow()
    sow()
    assert rows(connection) == before


def test_an_operator_s_switches_survive(connection, sow):
    connection.execute("UPDATE outbox.destination SET enabled = false, paused = true WHERE name = 'meta'")
    connection.execute("UPDATE outbox.route SET enabled = false WHERE step = 'lead_submitted'")
    connection.execute("UPDATE outbox.route SET paused = true WHERE step = 'account_created'")
    switched = rows(connection)
    sow()
    assert rows(connection) == switched
    sow(changed("lead_submitted", targets={"meta": Target(event_name="Contact"), "ga4": Target(event_name="contact")}))
    assert names_at(connection, "meta")["lead_submitted"] == ("Contact", {})
    assert connection.execute(
        "SELECT DISTINCT enabled, paused FROM outbox.route WHERE step = 'lead_submitted'"
    ).fetchall() == [(False, False)]


def test_only_what_changed_is_written(connection, sow):
    before = rows(connection)
    sow(changed("trial_started", action_source="system_generated", value=12.5, currency="USD"))
    assert len(rows(connection) - before) == 1
    assert connection.execute(
        "SELECT action_source, value, currency, browser_pair FROM outbox.step WHERE name = 'trial_started'"
    ).fetchone() == ("system_generated", 12.5, "USD", False)
    sow()
    assert {row[2] for row in rows(connection)} == {row[2] for row in before}


def test_a_new_step_is_recordable_and_reported(connection, sow):
    sow([*FUNNEL, Step(name="demo_booked", targets={"meta": Target(event_name="Schedule", parameters={"a": [1]})})])
    assert names_at(connection, "meta")["demo_booked"] == ("Schedule", {"a": [1]})
    assert "demo_booked" not in names_at(connection, "ga4")
    connection.execute("""SELECT outbox.record('{"name": "demo_booked"}')""")


def test_a_step_that_the_funnel_no_longer_names_is_recordable_and_sent_nowhere(connection, sow):
    sow([step for step in FUNNEL if step.name != "lead_submitted"])
    assert "lead_submitted" not in names_at(connection, "meta")
    assert "lead_submitted" not in names_at(connection, "ga4")
    connection.execute("""SELECT outbox.record('{"name": "lead_submitted"}')""")


def test_a_destination_that_a_step_no_longer_names_does_not_get_it(connection, sow):
    sow(changed("trial_started", targets={"meta": Target(event_name="StartTrial")}))
    assert "trial_started" in names_at(connection, "meta")
    assert "trial_started" not in names_at(connection, "ga4")


def test_a_second_pixel_gets_the_next_id_and_its_own_names(connection, sow):
    funnel = changed(
        "lead_submitted", targets={"meta": Target(event_name="Lead"), "dealers": Target(event_name="Dealer")}
    )
    sow(funnel, destinations=[*DESTINATIONS, ("dealers", "meta")])
    sow(funnel, destinations=[*DESTINATIONS, ("dealers", "meta")])
    assert connection.execute("SELECT id, kind FROM outbox.destination WHERE name = 'dealers'").fetchall() == [
        (3, "meta")
    ]
    assert names_at(connection, "dealers") == {"lead_submitted": ("Dealer", {})}

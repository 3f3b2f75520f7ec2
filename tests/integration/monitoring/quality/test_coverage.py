"""Match quality as the tally in the database tells it."""

from __future__ import annotations

from datetime import date

import pytest

from dispatcher.monitoring.quality import daily, qualities

ROWS = [
    (date(2026, 11, 20), 1, "lead_submitted", "", 10),
    (date(2026, 11, 20), 1, "lead_submitted", "em", 5),
    (date(2026, 11, 20), 1, "lead_submitted", "fbc", 10),
    (date(2026, 11, 21), 1, "lead_submitted", "", 10),
    (date(2026, 11, 21), 1, "lead_submitted", "em", 10),
    (date(2026, 11, 21), 2, "lead_submitted", "", 10),
    (date(2026, 11, 21), 2, "lead_submitted", "user_id", 2),
    (date(2026, 11, 21), 1, "subscription_renewed", "", 1),
    (date(2026, 11, 22), 1, "lead_submitted", "", 99),
]


@pytest.fixture
def tallied(connection):
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO outbox.field_coverage (day, destination, step, field, events) VALUES (%s, %s, %s, %s, %s)",
            ROWS,
        )
    return connection


@pytest.mark.usefixtures("tallied")
async def test_days_are_added_up_and_both_ends_count(database):
    meta, renewed, ga4 = await qualities(database, date(2026, 11, 20), date(2026, 11, 21))
    assert (meta.destination, meta.kind, meta.step, meta.event_name) == ("meta", "meta", "lead_submitted", "Lead")
    assert (meta.events, meta.fields) == (20, {"em": 15, "fbc": 10})
    assert meta.estimate == 2.1  # 2.0 of 75 %, 1.2 of 50 %
    assert "outbox.Visitor" in meta.advice
    assert (renewed.event_name, renewed.events, renewed.fields, renewed.estimate) == ("Subscribe", 1, {}, 0.0)
    assert (ga4.destination, ga4.events, ga4.fields, ga4.estimate) == ("ga4", 10, {"user_id": 2}, None)
    assert "session" in ga4.advice or "e-mail" in ga4.advice


@pytest.mark.usefixtures("tallied")
async def test_what_only_a_browser_knows_is_not_asked_of_a_renewal(connection, database):
    connection.execute(
        "INSERT INTO outbox.field_coverage (day, destination, step, field, events) SELECT '2026-11-21', 1, "
        "'subscription_renewed', field, 1 FROM unnest(ARRAY['em', 'ph', 'external_id', 'fn', 'ln', 'country', 'ct', "
        "'zp', 'st', 'db', 'ge']) AS field"
    )
    _, renewed, _ = await qualities(database, date(2026, 11, 20), date(2026, 11, 21))
    assert renewed.advice is None


@pytest.mark.usefixtures("tallied")
async def test_day_by_day_and_narrowed_down(database):
    days = await daily(database, date(2026, 11, 20), date(2026, 11, 22), destination="meta", step="lead_submitted")
    assert [(day.day.day, day.events, day.fields.get("em")) for day in days] == [
        (20, 10, 5),
        (21, 10, 10),
        (22, 99, None),
    ]
    assert [day.estimate for day in days] == [2.2, 2.0, 0.0]
    everything = await daily(database, date(2026, 11, 20), date(2026, 11, 22))
    assert {(day.destination, day.step) for day in everything} == {
        ("meta", "lead_submitted"),
        ("meta", "subscription_renewed"),
        ("ga4", "lead_submitted"),
    }


@pytest.mark.usefixtures("tallied")
async def test_a_step_that_was_taken_out_of_the_funnel_keeps_its_own_name(connection, database):
    connection.execute("DELETE FROM outbox.route WHERE step = 'lead_submitted'")
    assert {quality.event_name for quality in await qualities(database, date(2026, 11, 22), date(2026, 11, 22))} == {
        "lead_submitted"
    }


async def test_where_nothing_was_delivered_there_is_nothing_to_tell(database):
    assert await qualities(database, date(2026, 11, 20), date(2026, 11, 21)) == []

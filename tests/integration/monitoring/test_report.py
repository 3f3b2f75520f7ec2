"""The report: `outbox report` as JSON and as text, and the same in the daily message."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.config import Config
from dispatcher.destinations.meta.dataset_quality import NO_TOKEN, NOT_YET
from dispatcher.monitoring.report import as_text, report

TODAY = datetime.now(UTC).date()


@pytest.fixture
def coverage(connection):
    """Insert rows into field_coverage: days ago, destination, step, field, events."""

    def coverage(*rows):
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO outbox.field_coverage (day, destination, step, field, events) VALUES (%s, %s, %s, %s, %s)",
                [(TODAY - timedelta(days=ago), *row) for ago, *row in rows],
            )

    return coverage


@pytest.fixture
def tallied(coverage):
    coverage(
        (0, 1, "lead_submitted", "", 10),
        (0, 1, "lead_submitted", "em", 8),
        (0, 2, "lead_submitted", "", 10),
        (0, 2, "lead_submitted", "user_id", 1),
        (6, 1, "lead_submitted", "", 10),
        (7, 1, "lead_submitted", "", 10),
        (7, 1, "lead_submitted", "fbc", 10),
        (30, 1, "email_verified", "", 3),
    )


@pytest.mark.usefixtures("tallied")
async def test_it_compares_with_the_same_number_of_days_before(database, settings):
    result = await report(database, settings, Config(), until=TODAY, days=7)
    meta, ga4 = result.lines
    assert (result.since, result.until) == (TODAY - timedelta(days=6), TODAY)
    assert (meta.quality.events, meta.quality.estimate, meta.before, meta.own_score) == (20, 0.8, 1.2, None)
    assert (ga4.quality.events, ga4.quality.estimate, ga4.before) == (10, None, None)
    assert result.problems == {"meta": NOT_YET}


async def test_meta_s_own_score_stands_beside_the_estimate(spine, coverage, database):
    visitor = {"user_agent": "Mozilla/5.0", "url": "https://www.example.com/", "ip": "203.0.113.7"}
    spine.record(name="email_verified", handl_id="h1", person={"email": "ada@example.com"}, visitor=visitor)
    await spine.drain()
    spine.connection.execute("DELETE FROM outbox.field_coverage")
    coverage((0, 1, "email_verified", "", 1), (0, 1, "email_verified", "em", 1), (0, 1, "lead_submitted", "", 1))
    verified, lead = (await report(database, spine.settings, Config(), until=TODAY, days=1)).lines
    assert verified.own_score > 4
    assert lead.own_score is None


@pytest.mark.usefixtures("tallied")
async def test_as_text_it_contains_a_suggestion(database, settings):
    text = as_text(await report(database, settings, Config(), until=TODAY, days=1))
    assert text.startswith(f"Match quality, {TODAY}\n")
    assert (
        "meta: Lead (lead_submitted), 10 events, estimate 1.6 of 10\n  Email 80%\n  Suggestion: record the visitor"
        in text
    )
    assert "ga4: generate_lead (lead_submitted), 10 events\n  User ID 10%" in text
    assert "does not publish" in text


@pytest.mark.usefixtures("tallied")
async def test_the_command_prints_it(outbox):
    code, out, err = await outbox("report")
    assert (code, err) == (0, "")
    assert f"Match quality, {TODAY - timedelta(days=6)} to {TODAY}" in out
    assert "\x1b[" not in out
    assert f"meta: no score from Meta: {NO_TOKEN}" in out


@pytest.mark.usefixtures("tallied")
async def test_the_command_prints_json(outbox):
    code, out, _ = await outbox("report", "--days", "31", "--json")
    printed = json.loads(out)
    assert code == 0
    assert [(line["quality"]["step"], line["quality"]["destination"]) for line in printed["report"]["lines"]] == [
        ("email_verified", "meta"),
        ("lead_submitted", "meta"),
        ("lead_submitted", "ga4"),
    ]
    assert printed["report"]["lines"][1]["quality"]["fields"] == {"em": 8, "fbc": 10}


@pytest.mark.usefixtures("tallied")
async def test_on_a_terminal_it_is_a_table(outbox):
    code, out, _ = await outbox("report", answer="")
    assert code == 0
    assert "Match quality" in out
    assert "┃" in out
    assert "Email" in out


async def test_if_nothing_was_delivered_it_says_so(outbox):
    code, out, _ = await outbox("report")
    assert code == 0
    assert "Nothing was delivered." in out

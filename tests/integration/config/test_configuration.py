"""`outbox.toml` and the database: kept in line, changes reported, and nothing lost if the file is missing."""

from __future__ import annotations

import pytest
import structlog

from dispatcher import daemon
from dispatcher.cli import context
from dispatcher.config import Config, load
from dispatcher.database import migrations

DEALERS = """
[destinations.dealers]
kind = "meta"
like = "meta"
pixel_id = "1234567890"
token_env = "DEALERS_TOKEN"

[steps.webinar_joined]
to = { meta = "Webinar", ga4 = "webinar" }
"""


@pytest.fixture
def configured(tmp_path):
    """Return a configuration from its text."""

    def configured(text):
        path = tmp_path / "outbox.toml"
        path.write_text(text)
        return load(path, {"DEALERS_TOKEN": "dealers-token"})

    return configured


def keep_in_step(spine, config):
    """Do what `outbox dispatch` does at start; return what it logged."""
    with structlog.testing.capture_logs() as logs:
        context.keep_in_step(spine.database_url, config, wait=False)
    return logs


async def drain(spine, config):
    async with daemon.running(spine.settings, spine.database_url, config) as running:
        return await running.drain()


def pending(spine):
    return spine.count("delivery") + spine.count("intake")


def sent(spine):
    """Return what was sent where: account and event name at the destination, in order."""
    arrivals = sorted(spine.sandbox.ledger.arrivals, key=lambda arrival: arrival.target)
    return [(arrival.target, arrival.event_name) for arrival in arrivals]


async def test_a_second_pixel_gets_events_with_its_own_account(spine, configured):
    config = configured(DEALERS)
    keep_in_step(spine, config)
    spine.record(name="lead_submitted", event_id="lead", lead_id="1")
    spine.record(name="webinar_joined", event_id="webinar", lead_id="1")
    spine.sandbox.accepted["meta"].ids = {"1234567890", spine.settings.of("meta").pixel_id}
    assert await drain(spine, config) == 0
    assert sorted(sent(spine)) == [
        ("1234567890", "Lead"),
        ("1234567890", "Webinar"),
        (spine.settings.of("meta").pixel_id, "Lead"),
        (spine.settings.of("meta").pixel_id, "Webinar"),
        ("G-XLHMXGR17M", "generate_lead"),
        ("G-XLHMXGR17M", "webinar"),
    ]
    assert {outcome for outcome, _ in spine.receipts().values()} == {"delivered"}


async def test_a_pixel_without_its_token_is_halted_alone(spine, tmp_path):
    path = tmp_path / "outbox.toml"
    path.write_text(DEALERS)
    config = load(path, {})
    keep_in_step(spine, config)
    spine.record(name="lead_submitted", event_id="lead", lead_id="1")
    with structlog.testing.capture_logs() as logs:
        assert await drain(spine, config) == 1
    assert {line["destination"]: line["setting"] for line in logs if "setting" in line} == {"dealers": "DEALERS_TOKEN"}
    assert len(sent(spine)) == 2


def test_what_changes_is_logged_and_only_that(spine, configured):
    first = keep_in_step(spine, configured(DEALERS))
    assert {line["log_level"] for line in first} == {"warning"}
    changes = {line["change"] for line in first}
    assert {"destination dealers: meta is new", "webinar_joined at dealers: Webinar is new"} <= changes
    assert keep_in_step(spine, configured(DEALERS)) == []
    changed = DEALERS.replace('"Webinar"', '"Masterclass"') + 'value = 5\ncurrency = "EUR"\n'
    assert {line["change"] for line in keep_in_step(spine, configured(changed))} == {
        "webinar_joined at meta: Webinar is now Masterclass",
        "webinar_joined at dealers: Webinar is now Masterclass",
        "step webinar_joined: nothing is now 5 EUR",
    }
    gone = {line["change"] for line in keep_in_step(spine, configured(""))}
    assert "webinar_joined at dealers: Masterclass is removed" in gone


def test_migrate_reports_its_changes_but_not_the_first_funnel(empty_database, configured):
    said = []
    config = configured(DEALERS)
    migrations.upgrade(empty_database, config=config, on_change=said.append)
    assert said == []
    migrations.upgrade(empty_database, config=config, on_change=said.append)
    assert said == []
    migrations.upgrade(empty_database, on_change=said.append)
    assert "lead_submitted at dealers: Lead is removed" in said


async def test_migrate_without_the_file_leaves_the_funnel_of_the_file(spine, configured, outbox):
    keep_in_step(spine, configured(DEALERS))
    spine.connection.execute("UPDATE outbox.route SET enabled = false WHERE step = 'webinar_joined'")
    before = spine.connection.execute("SELECT * FROM outbox.route ORDER BY destination, step").fetchall()
    code, out, errors = await outbox("migrate")
    assert (code, out.startswith("schema at ")) == (0, True)
    assert "the one in the database is kept, because there is no outbox.toml here" in errors
    assert spine.connection.execute("SELECT * FROM outbox.route ORDER BY destination, step").fetchall() == before


async def test_without_the_file_the_funnel_is_left_and_the_pixel_of_the_file_waits(spine, configured):
    config = configured(DEALERS)
    keep_in_step(spine, config)
    (line,) = keep_in_step(spine, Config())
    assert "is kept" in line["event"]
    spine.record(name="webinar_joined", event_id="webinar", lead_id="1")
    with structlog.testing.capture_logs() as logs:
        assert await drain(spine, Config()) == 1  # it was started in the wrong folder
    assert {line["setting"] for line in logs if "setting" in line} == {"[destinations.dealers] in outbox.toml"}
    assert [name for _, name in sent(spine)] == ["Webinar", "webinar"]
    assert await drain(spine, config) == 0
    assert ("1234567890", "Webinar") in sent(spine)


def test_an_unchanged_default_reports_no_difference(spine):
    assert keep_in_step(spine, Config()) == []


async def test_a_removed_pixel_gets_nothing_more_and_nothing_is_pending_for_it(spine, configured):
    config = configured(DEALERS)
    keep_in_step(spine, config)
    spine.connection.execute("UPDATE outbox.destination SET paused = true WHERE name = 'dealers'")
    spine.record(name="lead_submitted", event_id="before", lead_id="1")
    assert await drain(spine, config) == 1
    config = configured("")
    keep_in_step(spine, config)
    spine.connection.execute("UPDATE outbox.destination SET paused = false WHERE name = 'dealers'")
    spine.record(name="lead_submitted", event_id="after", lead_id="1")
    assert await drain(spine, config) == 0
    receipts = spine.receipts()
    assert receipts["before", "dealers"] == receipts["after", "dealers"] == ("skipped", "no route")
    assert "1234567890" not in {target for target, _ in sent(spine)}


async def test_a_removed_stream_gets_no_merge(spine, configured):
    text = '[destinations.shop]\nkind = "ga4"\nlike = "ga4"\nmeasurement_id = "G-SHOP12345"\n'
    keep_in_step(spine, configured(text))
    config = configured("")
    keep_in_step(spine, config)
    spine.record(name="lead_submitted", event_id="lead", handl_id="H1", person={"email": "ada@example.com"})
    spine.record(name="signed_in", event_id="sign-in", handl_id="H1", account_id="1")
    assert await drain(spine, config) == 0
    assert "G-SHOP12345" not in {target for target, _ in sent(spine)}

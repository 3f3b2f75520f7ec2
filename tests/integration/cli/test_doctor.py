"""`outbox doctor`: reports what is wrong with a real database and, with --live, asks the destinations."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support import processes


@pytest.fixture
def doctor(database_url, sandbox):
    """Run `outbox doctor`; return its exit code, the (check, severity) pairs, and the findings."""

    async def doctor(*arguments, **environment):
        settings = {
            "OUTBOX_DATABASE_URL": database_url,
            "META_CAPI_TOKEN": "test-token",
            "META_CAPI_BASE_URL": sandbox.url,
            "GA4_API_SECRET": "test-secret",
            "GA4_MP_BASE_URL": sandbox.url,
        }
        run = asyncio.to_thread(processes.run, settings | environment, "doctor", "--json", *arguments)
        code, out, errors = await run
        assert not errors
        found = json.loads(out)
        return code, {(finding["check"], finding["severity"]) for finding in found}, found

    return doctor


async def test_a_healthy_database_has_no_errors(doctor):
    code, found, _ = await doctor()
    assert code == 0
    assert {("schema", "ok"), ("clock", "ok"), ("vacuum", "ok"), ("rights", "ok"), ("dead letters", "ok")} <= found
    assert not [check for check, severity in found if severity == "error"]


async def test_a_missing_token_is_an_error_and_exits_1(doctor):
    code, found, _ = await doctor(META_CAPI_TOKEN="")
    assert code == 1
    assert ("meta: secret", "error") in found


async def test_findings_are_printed_in_lines_with_what_to_do(outbox):
    code, out, _ = await outbox("doctor")
    assert code == 1
    assert "error   ga4: secret: GA4_API_SECRET is not set" in out
    assert "        → Set GA4_API_SECRET" in out
    assert " OK" in out.splitlines()[-1]


async def test_a_schema_that_is_behind_is_reported_and_nothing_else_is_queried(doctor, empty_database):
    code, found, _ = await doctor(OUTBOX_DATABASE_URL=empty_database)
    assert code == 1
    assert ("schema", "error") in found
    assert not [check for check, _ in found if check == "dead letters"]


async def test_a_database_that_does_not_answer_is_reported(doctor):
    code, found, _ = await doctor(OUTBOX_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert code == 1
    assert ("database", "error") in found


async def test_a_wrong_clock_is_an_error(doctor, clock):
    clock.move(minutes=10)
    code, found, _ = await doctor()
    assert code == 1
    assert ("clock", "error") in found


async def test_disabled_autovacuum_and_missing_rights_are_errors(doctor, connection, database_url):
    connection.execute("ALTER TABLE outbox.delivery SET (autovacuum_enabled = false)")
    _, found, _ = await doctor()
    assert ("vacuum", "error") in found
    connection.execute("DROP ROLE IF EXISTS outbox_doctor_test")
    connection.execute("CREATE ROLE outbox_doctor_test LOGIN PASSWORD 'x' IN ROLE outbox_reader")
    try:
        _, _, host = database_url.partition("@")
        code, found, _ = await doctor(OUTBOX_DATABASE_URL=f"postgresql://outbox_doctor_test:x@{host}")
    finally:
        connection.execute("DROP ROLE outbox_doctor_test")
    assert code == 1
    assert ("rights", "error") in found


async def test_dead_letters_paused_destinations_and_the_last_day_are_reported(doctor, spine, connection):
    spine.record(name="subscription_purchased", event_id="p", lead_id="1", person={"email": "a@b.co"})
    await spine.drain()
    connection.execute("UPDATE outbox.destination SET paused = true WHERE name = 'ga4'")
    connection.execute("DELETE FROM outbox.delivery_count")
    connection.execute(
        "INSERT INTO outbox.delivery_count (minute, count, destination, outcome, reason) "
        "VALUES (date_trunc('minute', outbox.clock()), 5, 1, 'skipped', 'too old when recorded')"
    )
    _, found, findings = await doctor()
    assert {("dead letters", "warning"), ("ga4", "warning"), ("meta: last day", "warning")} <= found
    (dead, _) = (finding for finding in findings if finding["check"] == "dead letters")
    assert "missing value" in dead["says"]


async def test_a_funnel_that_differs_is_reported_and_not_changed(doctor, connection):
    connection.execute("UPDATE outbox.route SET event_name = 'Contact' WHERE event_name = 'CompleteRegistration'")
    _, found, _ = await doctor()
    assert ("funnel", "warning") in found
    assert connection.execute("SELECT count(*) FROM outbox.route WHERE event_name = 'Contact'").fetchone() == (1,)


async def test_what_the_newest_events_lack_is_reported(doctor, spine):
    visitor = {"ip": "10.0.0.7", "user_agent": "python-requests/2", "url": "https://www.example.com/"}
    for number in range(30):
        spine.record(name="lead_submitted", event_id=f"e{number}", visitor=visitor, person={"phone": "22 123456"})
    await spine.drain()
    _, found, _ = await doctor()
    expected = {
        "identity",
        "e-mail",
        "user agent",
        "IP address",
        "Meta browser id",
        "GA4 client id",
        "phone numbers",
        "consent",
    }
    assert {(check, "warning") for check in expected} <= found


async def test_live_asks_ga4_and_sends_meta_a_test_event_only_with_the_test_code(doctor, sandbox):
    code, found, findings = await doctor("--live")
    assert code == 0
    assert {("ga4: live", "ok"), ("meta: live", "warning"), ("ga4: clock", "ok"), ("meta: clock", "ok")} <= found
    assert "META_CAPI_TEST_CODE" in next(finding["do"] for finding in findings if finding["check"] == "meta: live")
    assert not sandbox.ledger.arrivals
    code, found, _ = await doctor("--live", META_CAPI_TEST_CODE="TEST46298")
    assert code == 0
    assert ("meta: live", "ok") in found
    (arrival,) = sandbox.ledger.arrivals
    assert arrival.event_name == "OutboxDoctor"


async def test_live_reports_what_meta_answers(doctor, sandbox):
    sandbox.accepted["meta"].secret = "another"
    code, found, findings = await doctor("--live", META_CAPI_TEST_CODE="TEST46298")
    assert code == 1
    assert ("meta: live", "error") in found
    assert "190" in next(finding["says"] for finding in findings if finding["check"] == "meta: live")
    assert "test-token" not in json.dumps(findings)


async def test_live_reports_what_ga4_would_reject(doctor, sandbox, tmp_path):
    path = tmp_path / "outbox.toml"
    path.write_text('[steps.odd]\nto.ga4 = { name = "odd", parameters = { ok = "yes" } }\n')
    code, found, _ = await doctor("--live", OUTBOX_CONFIG=str(path))
    assert ("ga4: live", "ok") in found
    code, found, _ = await doctor("--live", GA4_MP_BASE_URL=f"{sandbox.url}/nowhere")
    assert code == 1
    assert ("ga4: live", "error") in found


async def test_live_reports_what_cannot_be_reached(doctor):
    code, found, _ = await doctor("--live", GA4_MP_BASE_URL="http://127.0.0.1:1")
    assert code == 1
    assert ("ga4: live", "error") in found


async def test_what_running_dispatchers_report_is_reported(doctor, dispatch, database_url):
    dispatcher = dispatch(database_url, "--port", "0", META_CAPI_TOKEN="", OUTBOX_LEASE_SECONDS="5")
    async with asyncio.timeout(60):
        while True:
            code, found, findings = await doctor()
            if {("dispatchers", "ok"), ("meta", "error")} <= found:
                break
    assert code == 1
    (halted,) = (finding for finding in findings if (finding["check"], finding["severity"]) == ("meta", "error"))
    assert "META_CAPI_TOKEN is not set" in halted["says"]
    assert "Set it, then restart" in halted["do"]
    assert dispatcher.process.poll() is None

"""What each page shows of the recorded events, and what it never shows."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import psycopg
import pytest
from structlog.testing import capture_logs

from dispatcher.console import dead_letters as dead
from dispatcher.delivery import dead_letters
from tests.support.console_site import TOKEN, serving

BROWSER = {"ip": "203.0.113.7", "user_agent": "Mozilla/5.0 (X11)", "fbp": "fb.1.1700000000000.1234567890",
           "url": "https://www.example.com/lead"}  # fmt: skip
ADA = {"email": "ada.lovelace@example.com", "phone": "+44 20 7946 0958", "first_name": "Ada", "country": "GB"}
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


def ago(**time):
    return (datetime.now(UTC) - timedelta(**time)).isoformat()


@pytest.fixture
async def ada(spine):
    """A lead that was delivered and then enriched by an account; its event number."""
    lead = spine.record(
        name="lead_submitted",
        event_id="the-lead",
        handl_id="H1",
        lead_id="L1",
        visitor=BROWSER,
        occurred_at=ago(hours=3),
    )
    await spine.drain()
    spine.record(name="account_created", event_id="the-account", account_id="A1", handl_id="H1", person=ADA, occurred_at=ago(hours=1))  # fmt: skip
    await spine.drain()
    return lead


async def test_the_list_shows_the_newest_first_with_their_deliveries(site, spine, ada):
    spine.record(name="subscription_purchased", event_id="no value", account_id="A1")
    await spine.drain()
    spine.record(name="trial_started", event_id="to come", account_id="A1")
    page = await site.get("/events")
    assert re.findall(r'href="/events/(\d+)"', page.html) == [str(ada + 3), str(ada + 2), str(ada + 1), str(ada)]
    assert "Meta: pending" in page.text
    assert "Meta: failed, missing value" in page.text
    assert "Meta: delivered again" in page.text


async def test_the_list_has_older_pages_and_is_filtered_by_step(site, spine):
    for number in range(60):
        spine.record(name="lead_submitted" if number % 2 else "demo_requested", event_id=f"e{number}")
    first = await site.get("/events")
    older = await site.get(re.search(r'href="(/events\?before=\d+)"', first.html)[1])
    assert len(set(re.findall(r"<code>(e\d+)</code>", first.html + older.html))) == 60
    filtered = await site.get("/events?step=demo_requested")
    assert set(re.findall(r"<code>e(\d+)</code>", filtered.html)) == {str(number) for number in range(0, 60, 2)}
    for query in ("before=x", "before=-1", f"before={'9' * 40}", "step=nobody", "step=%00"):
        assert (await site.get(f"/events?{query}")).status == 200


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the-lead", {"the-lead"}),
        ("#{lead}", {"the-lead"}),
        ("{lead}", {"the-lead"}),
        ("H1", {"the-lead", "the-account"}),
        ("L1", {"the-lead"}),
        ("A1", {"the-account"}),
        (" ada.lovelace@EXAMPLE.com ", {"the-account"}),
        ("nobody@example.com", set()),
        ("nothing", set()),
        ("' OR 1=1 --", set()),
        ("99999999999999999", set()),
    ],
)
async def test_events_are_found_by_every_key_that_they_carry(site, ada, text, found):
    page = await site.post("/events", {"text": text.format(lead=ada)})
    assert page.status == 200
    assert set(re.findall(r"<code>(the-\w+)</code>", page.html)) == found
    assert ("Nothing found" in page.text) == (not found)


@pytest.mark.usefixtures("ada")
async def test_an_e_mail_address_that_was_searched_for_is_not_kept_anywhere(site, spine):
    spine.record(name="demo_requested", event_id="raw", person={"email": "raw@example.com"})
    with capture_logs() as logs:
        for path, field in (("/events", {"text": ADA["email"]}), ("/people", {"by": "email", "value": ADA["email"]})):
            page = await site.post(path, field)
            assert "the-account" in page.html or "account created" in page.text
            for text in (
                ADA["email"],
                sha256(ADA["email"].encode()).hexdigest(),
                sha256(ADA["email"].encode()).hexdigest()[:8],
            ):
                assert text not in page.html
        assert "raw" in (await site.post("/events", {"text": "raw@example.com"})).text
    assert logs
    assert "example.com" not in str(logs)


async def test_an_event_s_page_shows_its_timeline_and_what_was_sent(site, ada):
    page = await site.get(f"/events/{ada}")
    for text in (
        "Occurred", "Recorded by the CRM", "Delivered to Meta", "Delivered to GA4", "the account that signed in on this browser or lead",
        "A merge added data about the person", "Delivered to Meta again", "HTTP 200", "trace",
    ):  # fmt: skip
        assert text in page.text
    order = [page.text.index(text) for text in ("Recorded by the CRM", "Delivered to Meta", "Delivered to Meta again")]
    assert order == sorted(order)
    matrix = page.html[page.html.index("matrix") :]
    (em,) = re.findall(r"<tr><th scope=\"row\"><code>em</code></th>(.*?)</tr>", matrix, re.DOTALL)
    assert re.findall(r'unseen">(sent|not sent)<', em) == ["not sent", "not sent", "sent"]
    assert '"event_name": "Lead"' in page.text
    assert "What would be sent now" in page.text


async def test_an_event_s_page_shows_failed_attempts_and_what_is_pending(site, spine):
    spine.faults("meta", rates={"http_503": 1.0})
    row = spine.record(name="lead_submitted", handl_id="H1", lead_id="L1", visitor=BROWSER)
    waiting = await site.get(f"/events/{row}")
    assert "Waiting for intake" in waiting.text
    await spine.drain()
    page = await site.get(f"/events/{row}")
    assert "Attempt 1: Meta did not accept it" in page.text
    assert re.search(r"Pending for Meta; next attempt due 20\d\d-", page.text)
    assert "Delivered to GA4" in page.text


async def test_identifiers_are_shortened_even_if_an_account_is_an_e_mail_address(site, spine):
    browser = {
        **BROWSER,
        "fbc": "fb.1.1700000000000.IwAR0clickclick",
        "ga_client_id": "1111111111.1700000000",
        "url": "https://www.example.com/lead?utm_source=meta&session=1",
    }
    spine.record(name="signed_in", account_id="grace@example.com", handl_id="H7")
    row = spine.record(name="lead_submitted", event_id="hers", handl_id="H7", account_id="ada@example.com", visitor=browser)  # fmt: skip
    lead = spine.record(name="lead_submitted", handl_id="H7", lead_id="L7", visitor=browser)
    await spine.drain()
    pages = [
        await site.get(f"/events/{row}"),
        await site.get(f"/events/{lead}"),
        await site.post("/people", {"by": "account", "event": str(row)}),
        await site.post("/people", {"by": "handl", "event": str(row)}),
    ]
    assert "account ad…" in pages[0].text
    assert "https://www.example.com/lead" in pages[0].text
    assert "lead submitted #" in pages[2].text
    assert "account ad… account gr…" in pages[3].text
    shown = ("H7", "https://www.example.com/lead", *(word for word in BROWSER.values() if word == "Mozilla/5.0 (X11)"))
    for page in pages:
        assert page.status == 200
        for secret in ("ada@example.com", "grace@example.com", "utm_source=meta", *browser.values()):
            assert secret in shown or secret not in page.html
    for odd in ({"by": "account", "event": "x"}, {"by": "email", "event": "1"}, {"by": "lead", "event": "9" * 18}):
        assert (await site.post("/people", odd)).status == 200


@pytest.mark.parametrize("number", ["1", "999999999999999999", "0"])
async def test_an_unknown_event_is_not_found(site, number):
    page = await site.get(f"/events/{number}")
    assert page.status == 404
    assert "no such page" in page.text


@pytest.mark.usefixtures("ada")
async def test_people_are_shown_with_names_and_times_never_values(site):
    for by, value in (("account", "A1"), ("lead", "L1"), ("handl", "H1"), ("email", ADA["email"])):
        page = await site.post("/people", {"by": by, "value": value})
        assert {"account", "handlID", "lead", "email", "phone", "first name", "fbp", "ip"} <= set(
            re.findall(r'<th scope="row">([^<]+)</th>', page.html)
        )
        for secret in (*ADA.values(), *BROWSER.values()):
            assert secret in {"GB", "Ada"} or secret not in page.html
    assert "No match" in (await site.post("/people", {"by": "lead", "value": "L9"})).text
    for odd in ({}, {"by": "nobody", "value": "x"}, {"value": ""}):
        assert (await site.post("/people", odd)).status == 200


async def test_a_browser_of_several_people_offers_their_accounts(site, spine):
    for account in ("A1", "A2"):
        spine.record(name="signed_in", account_id=account, handl_id="H")
    await spine.drain()
    page = await site.post("/people", {"by": "handl", "value": "H"})
    assert "Several people match" in page.text
    assert "account A1 account A2" in page.text


async def test_dead_letters_are_grouped_by_reason_with_what_to_do(site, spine):
    for number in range(3):
        spine.record(name="subscription_purchased", event_id=f"p{number}", account_id=f"A{number}")
    await spine.drain()
    spine.connection.execute(
        "UPDATE outbox.receipt SET reason = 'window closed' WHERE event_id = 3 AND destination = 1"
    )
    page = await site.get("/dead")
    assert "Meta: missing value" in page.text
    assert "Record value and currency with this step" in page.text
    assert "can no longer be delivered" in page.text
    # A reason for which a requeue cannot help has no button.
    assert page.text.count("Requeue all 2") == 1
    assert page.text.count("Requeue all 3") == 1
    assert "window closed" not in re.findall(r'name="reason" value="([^"]*)"', page.html)


async def test_one_or_all_of_a_reason_are_requeued_and_the_history_stays(site, spine):
    for number in range(3):
        spine.record(name="subscription_purchased", event_id=f"p{number}", account_id=f"A{number}")
    await spine.drain()
    spine.connection.execute(
        "UPDATE outbox.step SET value = 10, currency = 'EUR' WHERE name = 'subscription_purchased'"
    )
    one = await site.act("/dead/requeue", {"event": "1", "destination": "meta"})
    assert one.headers["Location"] == "/events/1"
    assert (await site.act("/dead/requeue", {"event": "1", "destination": "meta"})).status == 303
    assert spine.count("revision") == 1
    rest = await site.act("/dead/requeue", {"destination": "meta", "reason": "missing value"})
    assert rest.headers["Location"] == "/dead?requeued=2"
    assert "2 requeued" in (await site.get("/dead?requeued=2")).text
    await spine.drain()
    rows = spine.connection.execute(
        "SELECT revision, outcome FROM outbox.receipt WHERE destination = 1 ORDER BY revision, event_id"
    ).fetchall()
    assert rows == [(0, "failed")] * 3 + [(1, "delivered")] * 3
    assert "Requeued: to be sent again" in (await site.get("/events/1")).text
    for odd in ({}, {"event": "x", "destination": "meta"}, {"event": "9" * 30, "destination": "meta"}):
        assert (await site.act("/dead/requeue", odd)).status == 404


async def test_a_requeue_that_runs_out_of_time_reports_how_many_and_leaves_the_rest(site, spine, monkeypatch):
    for number in range(3):
        spine.record(name="subscription_purchased", event_id=f"p{number}", account_id=f"A{number}")
    await spine.drain()
    monkeypatch.setattr(dead_letters, "REQUEUE_BATCH", 1)
    monkeypatch.setattr(dead, "REQUEUE_SECONDS", 1.0)
    with psycopg.connect(spine.database_url) as other:
        # Another transaction blocks the second one.
        other.execute(
            "INSERT INTO outbox.revision (event_id, destination, revision, reason) VALUES (2, 1, 1, 'requeued')"
        )
        with capture_logs() as logs:
            done = await site.act("/dead/requeue", {"destination": "meta", "reason": "missing value"})
        other.rollback()
    assert done.headers["Location"] == "/dead?requeued=1"
    assert [entry["requeued"] for entry in logs if entry["event"] == "console action"] == [1]
    rest = await site.act("/dead/requeue", {"destination": "meta", "reason": "missing value"})
    assert rest.headers["Location"] == "/dead?requeued=2"


async def test_destinations_and_steps_are_paused_resumed_disabled_and_enabled(site, spine):
    def state(table, where):
        return spine.connection.execute(f"SELECT enabled, paused FROM outbox.{table} WHERE {where}").fetchone()

    for action, after in (
        ("pause", (True, True)),
        ("resume", (True, False)),
        ("disable", (False, False)),
        ("enable", (True, False)),
    ):
        done = await site.act("/destinations", {"destination": "ga4", "action": action})
        assert done.headers["Location"] == f"/destinations?done={action}"
        assert state("destination", "name = 'ga4'") == after
        assert "Dispatchers apply this" in (await site.get(f"/destinations?done={action}")).text
        await site.act("/destinations", {"destination": "meta", "step": "lead_submitted", "action": action})
        assert state("route", "destination = 1 AND step = 'lead_submitted'") == after
    for odd in ({"destination": "nobody", "action": "pause"}, {"destination": "meta", "action": "drop"}, {}):
        assert (await site.act("/destinations", odd)).status == 404


async def test_match_quality_is_shown_beside_meta_s_own_score_with_what_would_help(site, spine):
    today = datetime.now(UTC).date()
    for back in range(3):
        for field, events in (("", 100), ("em", 90 - 10 * back), ("client_user_agent", 100)):
            spine.connection.execute(
                "INSERT INTO outbox.field_coverage (day, destination, step, field, events) VALUES (%s, 1, 'lead_submitted', %s, %s) "
                "ON CONFLICT (day, destination, step, field) DO UPDATE SET events = excluded.events",
                (today - timedelta(days=back), field, events),
            )
    page = await site.get("/quality?days=7")
    assert "Email 80 %" in page.text
    assert "of 10, our estimate" in page.text
    assert "own score is not available: Meta has no score yet" in page.text
    assert "What would help most: lead submitted (Lead)" in page.text
    assert "How the estimate is computed" in page.text
    assert "<polyline" in page.html
    for days in ("0", "x", "400"):
        assert (await site.get(f"/quality?days={days}")).status == 200


async def test_refusals_are_counted_by_where_they_come_from(site, spine):
    denied = {"ad_user_data": "denied"}
    seen = {"user_agent": "Mozilla/5.0"}
    refusals = (
        {"handl_id": "H1", "public": True, "visitor": seen},
        {"handl_id": "H2", "public": True},
        {"account_id": "A1"},
        {"account_id": "A2", "visitor": seen},
        {"account_id": "A3"},
        {"account_id": "A4"},
    )
    for fields in refusals:
        spine.record(name="lead_submitted", consent=denied, **fields)
    spine.record(name="lead_submitted", account_id="A5", consent={"ad_user_data": "granted"})
    spine.record(name="lead_submitted", account_id="A6")
    page = await site.get("/quality")
    assert "2 from public forms, 3 from the CRM, 1 with a visitor" in page.text


async def test_recorded_text_is_never_rendered_as_markup(site, spine):
    row = spine.record(
        name="lead_submitted",
        event_id=HOSTILE,
        handl_id=HOSTILE,
        lead_id=HOSTILE,
        details={"value": HOSTILE, "form": HOSTILE},
    )
    await spine.drain()
    pages = [
        await site.get("/events"), await site.get(f"/events/{row}"), await site.get("/dead"),
        await site.post("/events", {"text": HOSTILE}), await site.post("/people", {"by": "lead", "value": HOSTILE}),
    ]  # fmt: skip
    for page in pages:
        assert page.status == 200
        assert "<img src=x" not in page.html
    assert all("&lt;img src=x" in page.html for page in pages[:2])


async def test_an_open_page_fetches_only_its_live_part_and_this_is_not_logged(site, spine):
    spine.record(name="lead_submitted", event_id="new")
    with capture_logs() as logs:
        part = await site.get("/events", **{"X-Outbox-Live": "1"})
    assert "<code>new</code>" in part.html
    assert "<html" not in part.html
    assert "<h1" not in part.html
    assert logs == []


async def test_an_unavailable_database_gets_an_error_page(settings):
    async with serving("postgresql://nobody@127.0.0.1:1/none", settings, token=TOKEN) as site:
        await site.sign_in()
        page = await site.get("/")
    assert page.status == 503
    assert "The database does not answer" in page.text
    assert page.headers["Retry-After"] == "5"


async def test_a_database_without_schema_or_rights_gets_an_error_page_with_what_to_do(
    empty_database, database_url, settings, spine
):
    async with serving(empty_database, settings, token=TOKEN) as site:
        await site.sign_in()
        page = await site.get("/")
        assert (page.status, "outbox migrate" in page.text) == (503, True)
    name = f"only_recorder_{spine.connection.info.dbname}"
    try:
        spine.connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x' IN ROLE outbox_recorder")
        url = psycopg.conninfo.make_conninfo(database_url, user=name, password="x")
        parts = psycopg.conninfo.conninfo_to_dict(url)
        address = f"postgresql://{name}:x@{parts['host']}:{parts['port']}/{parts['dbname']}"
        async with serving(address, settings, token=TOKEN) as site:
            await site.sign_in()
            page = await site.get("/")
            assert (page.status, "outbox_reader" in page.text) == (503, True)
    finally:
        spine.connection.execute(f"DROP ROLE {name}")

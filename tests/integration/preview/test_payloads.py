"""Previews: what each destination would be sent of an event, or why nothing, and where each field comes from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from dispatcher.config import Config
from dispatcher.config.settings import Secret, Settings
from dispatcher.preview.payloads import find_events, previews
from dispatcher.routing import set_state

BROWSER = {
    "ip": "203.0.113.7",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
    "fbp": "fb.1.1700000000000.1234567890",
    "fbclid": "IwAR0click",
    "ga_client_id": "123.456",
    "url": "https://www.example.com/trial",
}


@pytest.fixture
def preview(database, settings):
    """The previews of an event, by destination."""

    async def preview(event_id, settings=settings):
        return {found.destination: found for found in await previews(database, settings, Config(), event_id)}

    return preview


def sources(found):
    return {field.name: field.source for field in found.fields}


def hours_ago(hours):
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


async def test_a_preview_shows_what_is_then_sent(spine, preview):
    event_id = spine.record(
        name="lead_submitted", event_id="one", lead_id="L1", handl_id="H1", person={"email": "Ada@Example.com"},
        visitor=BROWSER, details={"form": "contact"}, campaign={"source": "newsletter"},
    )  # fmt: skip
    before = await preview(event_id)
    assert await spine.drain() == 0
    sent = spine.arrivals("meta")[0].event
    shown = before["meta"].body
    assert before["meta"].refusal is None
    assert shown.keys() == sent.keys()
    assert shown["user_data"].keys() == sent["user_data"].keys()
    assert shown["custom_data"] == sent["custom_data"]
    assert shown["user_data"]["em"] == [sent["user_data"]["em"][0][:8] + "…"]
    event = spine.arrivals("ga4")[0].event
    assert before["ga4"].body["events"] == [event]


async def test_each_field_says_where_it_comes_from(spine, preview):
    first = spine.record(
        name="lead_submitted", event_id="lead", lead_id="L1", handl_id="H1", occurred_at=hours_ago(2),
        person={"email": "ada@example.com", "country": "CY"}, visitor=BROWSER,
    )  # fmt: skip
    event_id = spine.record(
        name="account_created", event_id="account", account_id="A1", handl_id="H1", person={"first_name": "Ada"},
        campaign={"source": "newsletter"},
    )  # fmt: skip
    await spine.drain()
    found = await preview(event_id)
    meta = sources(found["meta"])
    borrowed = f"event {first}, 1 h earlier, same browser"
    assert meta["event_name"] == "configuration"
    assert meta["event_id"] == meta["event_time"] == "this event"
    assert meta["user_data.fn"] == "this event (shown in part)"
    assert meta["user_data.em"].replace("2 h", "1 h") == f"{borrowed} (shown in part)"
    assert meta["user_data.client_ip_address"].endswith("same browser (shown in part)")
    assert (
        meta["user_data.external_id"] == "this event's account, handlID and 1 more of the same person (shown in part)"
    )
    assert meta["custom_data.lead_source"] == "this event"
    ga4 = sources(found["ga4"])
    assert ga4["client_id"].startswith(f"event {first}, ")
    assert ga4["user_id"] == "this event"
    assert ga4["consent.ad_user_data"] == "configuration (OUTBOX_CONSENT_DEFAULT)"
    assert ga4["events.params.engagement_time_msec"] == "derived"
    assert ga4["user_properties.user_country"].startswith(f"event {first}, ")
    assert found["meta"].note.startswith("Delivered ")


async def test_no_personal_data_is_shown(spine, preview):
    event_id = spine.record(
        name="lead_submitted", event_id="one", lead_id="L1",
        person={"email": "ada@example.com", "phone": "+44 20 7946 0958"}, visitor=BROWSER | {"ip": "2001:db8:85a3::7334"},
    )  # fmt: skip
    shown = msgspec.json.encode(list((await preview(event_id)).values())).decode()
    assert "ada@example.com" not in shown
    assert "7334" not in shown
    assert "2001:0db8:85a3:…" in shown
    assert "KHTML" not in shown
    await spine.drain()
    for arrival in spine.arrivals("meta"):
        for digest in arrival.event["user_data"]["em"]:
            assert digest not in shown


async def test_raw_data_from_sql_is_previewed_as_it_will_be_sealed(spine, preview):
    event_id = spine.record(name="lead_submitted", event_id="one", lead_id="L1", person={"phone": "22 123456"})
    assert spine.count("raw") == 1
    assert "ph" not in (await preview(event_id))["meta"].body["user_data"]
    region = Settings.from_environment({"OUTBOX_PHONE_REGION": "CY", "META_CAPI_TOKEN": "t", "GA4_API_SECRET": "s"})
    assert "ph" in (await preview(event_id, settings=region))["meta"].body["user_data"]
    assert spine.count("raw") == 1, "a preview writes nothing"


async def test_it_says_why_nothing_would_be_sent(spine, preview, database):
    nobody = spine.record(name="lead_submitted", event_id="nobody")
    free = spine.record(name="subscription_purchased", event_id="free", lead_id="1", person={"email": "a@b.co"})
    denied = spine.record(name="lead_submitted", event_id="no", lead_id="2", consent={"ad_user_data": "denied"})
    old = spine.record(name="lead_submitted", event_id="old", lead_id="3", occurred_at=hours_ago(24 * 5))
    merge = spine.record(name="signed_in", event_id="in", account_id="A", handl_id="H")
    refusals = {
        event_id: {name: found.refusal for name, found in (await preview(event_id)).items()}
        for event_id in (nobody, free, denied, old, merge)
    }
    assert refusals == {
        nobody: {"meta": "failed: insufficient identity", "ga4": None},
        free: {"meta": "failed: missing value", "ga4": "failed: missing value"},
        denied: {"meta": "skipped: consent", "ga4": None},
        old: {"meta": None, "ga4": "skipped: too old when recorded"},
        merge: {"meta": "skipped: no route", "ga4": "skipped: no route"},
    }
    await set_state(database, "meta", None, "disable")
    assert (await preview(old))["meta"].refusal == "skipped: disabled"


async def test_a_waiting_event_says_why_it_waits(spine, preview, database, settings):
    event_id = spine.record(name="lead_submitted", event_id="one", lead_id="1", person={"email": "a@b.co"})
    assert (await preview(event_id))["meta"].note is None
    await set_state(database, "meta", None, "pause")
    bare = settings.changed("meta", token=Secret()).changed("ga4", secret=Secret())
    found = await preview(event_id, settings=bare)
    assert found["meta"].note.startswith("Paused: ")
    assert found["ga4"].note.startswith("Halted: GA4_API_SECRET is not set")
    assert found["ga4"].body


async def test_a_merge_notice_to_ga4_is_previewed_without_an_event(spine, preview):
    spine.record(name="lead_submitted", event_id="lead", handl_id="H", person={"email": "a@b.co"})
    merge = spine.record(name="signed_in", event_id="in", account_id="A", handl_id="H")
    await spine.drain()
    found = await preview(merge)
    assert found["ga4"].note.startswith("Delivered")
    assert "events" not in found["ga4"].body
    assert found["ga4"].body["user_id"] == "A"
    assert found["meta"].refusal == "skipped: no route"


async def test_an_event_is_found_by_its_event_id_or_its_row_id(spine, database, preview):
    lead = spine.record(name="lead_submitted", event_id="shared")
    account = spine.record(name="account_created", event_id="shared", account_id="1")
    named = spine.record(name="email_verified", event_id=str(lead))
    assert await find_events(database, " shared ") == [lead, account]
    assert await find_events(database, str(lead)) == [lead, named]
    for nothing in ("", "nobody", "99999999999999999999", "9223372036854775808", "²", "a\x00b"):
        assert await find_events(database, nothing) == []
    assert await preview(10**6) == {}

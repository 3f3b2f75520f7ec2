"""Hostile input from a writer: an error or a note, never a stuck queue, and other events are delivered."""

from __future__ import annotations

import json

import psycopg
import pytest

import outbox

HUGE = "x" * 10_000_000
LARGE = "x" * 65_000
"""As much as an event may hold."""
DEEP: object = "bottom"
for _ in range(100):
    DEEP = {"a": [DEEP]}

WEIRD = [
    None, True, 0, -1, 1e308, "", " ", "a\u0001b\u007f\u0085", "\u202e\u200b", "\U0001f9d1", "null", "NaN", "'; DROP TABLE",
    "<script>alert(1)</script>", "%s%n{0}", "x" * 1_000, [], {}, [[]], [None, {"a": []}], DEEP, 10**30,
]  # fmt: skip
PERSON = ["email", "phone", "first_name", "city", "postal_code", "country", "date_of_birth", "gender", "unknown"]
VISITOR = ["ip", "user_agent", "fbp", "fbc", "fbclid", "fbclid_at", "ga_client_id", "ga_session_id", "url", "referrer"]
DETAILS = [
    "value", "currency", "form", "product", "order_id", "content_category", "predicted_ltv", "items", "contents",
    "content_ids", "browser_pair", "action_source", "num_items", "session_id", "event_id", "client_id",
]  # fmt: skip
CONSENT = ["ad_user_data", "ad_personalization"]
SEALED = ["meta", "google", "country"]


def events():
    for number, value in enumerate(WEIRD):
        yield {
            "event_id": f"weird-{number}",
            "lead_id": "1",
            "person": dict.fromkeys(PERSON, value),
            "visitor": dict.fromkeys(VISITOR, value),
            "details": dict.fromkeys(DETAILS, value) | {"a b": value, "x" * 300: value},
            "campaign": dict.fromkeys(("source", "medium", "campaign", "content", "term", "fb_loc"), value),
        }
        yield {"event_id": f"consent-{number}", "lead_id": "1", "consent": dict.fromkeys(CONSENT, value)}
        yield {"event_id": f"sealed-{number}", "lead_id": "1", "sealed": dict.fromkeys(SEALED, value)}
        yield {
            "event_id": f"traits-{number}",
            "lead_id": "1",
            "sealed": {"meta": {"em": value, "ph": [value, value]}, "google": {"sha256_email_address": value}},
        }


@pytest.mark.parametrize("step", ["lead_submitted", "subscription_purchased", "subscription_renewed"])
async def test_no_value_of_an_optional_field_stops_the_queue(spine, step):
    given = list(events())
    for event in given:
        spine.record(name=step, **event)
    assert await spine.drain() == 0
    receipts = spine.receipts()
    assert len(receipts) == 2 * len(given)
    problems = {
        (problem.field, problem.why)
        for arrival in spine.sandbox.ledger.arrivals
        for problem in arrival.problems
        if problem.fatal
    }
    assert problems == set()
    assert {reason for outcome, reason in receipts.values() if outcome == "failed"} <= {"missing value"}


@pytest.mark.parametrize(
    "event",
    [
        {"event_id": "i" * 10_000},
        {"handl_id": "h" * 10_000, "lead_id": "l" * 10_000, "account_id": "a" * 10_000},
        {"details": {"note": LARGE}},
        {"person": {"email": LARGE}},
        {"visitor": {"user_agent": LARGE}},
        {"details": DEEP},
    ],
)
async def test_a_huge_value_is_noted_and_other_events_are_delivered(spine, event):
    spine.record(name="lead_submitted", **{"event_id": "huge", "lead_id": "1"} | event)
    spine.record(name="lead_submitted", event_id="neighbour", lead_id="1")
    assert await spine.drain() == 0
    receipts = spine.receipts()
    assert len(receipts) == 4
    assert receipts["neighbour", "meta"] == receipts["neighbour", "ga4"] == ("delivered", None)


@pytest.mark.parametrize(
    ("field", "event"),
    [
        ("details", {"details": {"note": HUGE}}),
        ("person", {"person": {"email": HUGE}}),
        ("visitor", {"visitor": {"user_agent": HUGE}}),
        ("event", {"details": {"note": LARGE}, "visitor": {"user_agent": LARGE}}),
    ],
)
async def test_more_than_64_kb_is_an_error_that_names_the_field_and_other_events_are_delivered(spine, field, event):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=f"^{field}: larger than 64 kB") as raised:
        spine.record(name="lead_submitted", event_id="huge", lead_id="1", **event)
    assert "xxxx" not in str(raised.value)
    spine.record(name="lead_submitted", event_id="neighbour", lead_id="1")
    assert await spine.drain() == 0
    assert spine.receipts() == {("neighbour", name): ("delivered", None) for name in ("meta", "ga4")}


@pytest.mark.parametrize(
    "text", ['{"name":"lead_submitted","details":{"a":"\\u0000"}}', '{"name":', "[1", '{"name":NaN}']
)
def test_json_that_postgresql_cannot_hold_is_an_error_and_leaves_nothing(spine, text):
    with pytest.raises(psycopg.DataError):
        spine.connection.execute("SELECT outbox.record(%s::jsonb)", (text,))
    assert spine.count("event") == 0


async def test_python_takes_out_what_postgresql_cannot_hold(spine):
    details = {
        "nul": "a\0b",
        "surrogate": "\ud800x",
        "nan": float("nan"),
        "inf": float("inf"),
        "deep": DEEP,
        "huge": HUGE,
    }
    conversion = outbox.LeadSubmitted(
        event_id="e\0\ud800",
        lead_id="1\0",
        details=details,
        person=outbox.Person(email="a\0@b.co", first_name="\ud800"),
    )
    outbox.record(spine.connection, conversion)
    assert await spine.drain() == 0
    assert spine.receipts() == {("e", "meta"): ("delivered", None), ("e", "ga4"): ("delivered", None)}
    assert len(json.dumps(spine.connection.execute("SELECT details FROM outbox.event").fetchone()[0])) < 5000


async def test_a_plain_insert_of_garbage_is_delivered_or_fails(spine):
    spine.connection.execute(
        """
        INSERT INTO outbox.event (name, event_id, lead_id, sealed, visitor, campaign, details, consent)
        SELECT 'lead_submitted', 'e' || n, '1', v, v, v, v, v
        FROM unnest(ARRAY['{}', '{"meta": []}', '{"ip": {}}', '{"a": {"b": {}}}']::jsonb[]) WITH ORDINALITY AS t (v, n)
        """
    )
    assert await spine.drain() == 0
    assert len(spine.receipts()) == 8

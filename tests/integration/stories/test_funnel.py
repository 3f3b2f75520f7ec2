"""Every step of the funnel, through SQL and through Python, arrives under its names and is valid at its destinations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import outbox

BROWSER = {
    "ip": "203.0.113.7",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
    "url": "https://crm.example/form",
    "fbp": "fb.1.1700000000000.1234567890",
    "ga_client_id": "123.456",
}
PERSON = {"email": "ada@example.com", "phone": "+442079460958", "country": "GB"}
MONEY = {"value": 49.9, "currency": "EUR", "order_id": "in_1", "product": "pro"}

# step: its own fields, its name at Meta, its name at GA4
FUNNEL = {
    "lead_submitted": (outbox.LeadSubmitted, {"form": "lead-form-ds25"}, "Lead", "generate_lead"),
    "trial_downloaded": (outbox.TrialDownloaded, {"product": "ency-cam"}, "Lead", "file_download"),
    "account_created": (outbox.AccountCreated, {}, "CompleteRegistration", "sign_up"),
    "trial_started": (outbox.TrialStarted, {}, "StartTrial", "start_trial"),
    "subscription_purchased": (outbox.SubscriptionPurchased, MONEY, "Purchase", "purchase"),
    "subscription_renewed": (outbox.SubscriptionRenewed, MONEY | {"order_id": "in_2"}, "Subscribe", "purchase"),
    "subscription_upgraded": (outbox.SubscriptionUpgraded, MONEY | {"order_id": "in_3"}, "Purchase", "purchase"),
    "subscription_refunded": (outbox.SubscriptionRefunded, MONEY, "Refund", "refund"),
    "demo_requested": (outbox.DemoRequested, {"form": "conference"}, "Lead", "generate_lead"),
    "email_verified": (outbox.EmailVerified, {}, "EmailVerified", "email_verified"),
    "signed_in": (outbox.SignedIn, {}, None, None),
}


def by_sql(spine, step, details):
    spine.record(
        name=step, event_id=step, account_id="5", handl_id="H1", person=PERSON, visitor=BROWSER, details=details
    )


def by_python(spine, step, details):
    conversion = FUNNEL[step][0](
        event_id=step,
        account_id="5",
        handl_id="H1",
        person=outbox.Person(**PERSON),
        visitor=outbox.Visitor(**BROWSER),
        **details,
    )
    outbox.record(spine.connection, conversion)


@pytest.mark.parametrize("record", [by_sql, by_python])
async def test_every_step_arrives_under_its_names(spine, record):
    for step, (_, details, _, _) in FUNNEL.items():
        record(spine, step, details)
    assert await spine.drain() == 0
    arrived = {(arrival.destination, arrival.event_id): arrival for arrival in spine.sandbox.ledger.arrivals}
    expected = {
        (destination, step): name
        for step, (_, _, *names) in FUNNEL.items()
        for destination, name in zip(("meta", "ga4"), names, strict=True)
        if name
    }
    assert {key: arrival.event_name for key, arrival in arrived.items()} == expected
    assert {key: arrival.problems for key, arrival in arrived.items() if arrival.problems} == {}
    receipts = spine.receipts()
    assert {key for key, receipt in receipts.items() if receipt == ("delivered", None)} == {
        (step, destination) for destination, step in expected
    }
    assert receipts["signed_in", "meta"] == receipts["signed_in", "ga4"] == ("skipped", "no route")


async def test_a_repeat_changes_nothing_and_is_sent_once(spine):
    first = spine.record(name="lead_submitted", event_id="shared", lead_id="1")
    assert spine.record(name="lead_submitted", event_id="shared", lead_id="2") == first
    await spine.drain()
    assert spine.record(name="lead_submitted", event_id="shared") == first
    await spine.drain()
    assert len(spine.sandbox.ledger.arrivals) == 2
    assert (spine.count("event"), spine.count("receipt")) == (1, 2)


async def test_raw_persons_are_sealed_and_gone(spine):
    spine.record(name="lead_submitted", event_id="e", lead_id="1", person=PERSON | {"phone": "12"})
    assert spine.count("raw") == 1
    await spine.drain()
    assert spine.count("raw") == 0
    sealed, notes = spine.connection.execute("SELECT sealed, notes FROM outbox.event").fetchone()
    assert set(sealed["meta"]) == {"em", "country"}
    assert any(note.startswith("person.phone") for note in notes)
    assert "ada@example.com" not in str(sealed)


async def test_sealed_by_python_or_at_intake_is_the_same(spine):
    by_sql(spine, "lead_submitted", {})
    await spine.drain()
    (at_intake,) = spine.connection.execute("SELECT sealed FROM outbox.event").fetchone()
    spine.connection.execute("DELETE FROM outbox.event")
    by_python(spine, "lead_submitted", {})
    assert spine.count("raw") == 0
    assert spine.connection.execute("SELECT sealed FROM outbox.event").fetchone() == (at_intake,)


async def test_an_event_that_would_be_refused_is_never_sent(spine):
    long_ago = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    spine.record(name="lead_submitted", event_id="old", lead_id="2", occurred_at=long_ago)
    spine.record(name="subscription_purchased", event_id="no money", lead_id="3")
    spine.record(name="lead_submitted", event_id="nobody")
    spine.record(name="lead_submitted", event_id="no consent", lead_id="1", consent={"ad_user_data": "denied"})
    assert await spine.drain() == 0
    receipts = spine.receipts()
    assert receipts["old", "meta"] == receipts["old", "ga4"] == ("skipped", "too old when recorded")
    assert receipts["no money", "meta"] == receipts["no money", "ga4"] == ("failed", "missing value")
    assert receipts["nobody", "meta"] == ("failed", "insufficient identity")
    assert receipts["no consent", "meta"] == ("skipped", "consent")
    arrived = {(arrival.destination, arrival.event_id) for arrival in spine.sandbox.ledger.arrivals}
    assert arrived == {("ga4", "nobody"), ("ga4", "no consent")}


async def test_an_event_ahead_of_its_time_waits_for_it(spine):
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    soon = (datetime.now(UTC) + timedelta(seconds=50)).isoformat()
    spine.record(name="lead_submitted", event_id="tomorrow", lead_id="1", occurred_at=tomorrow)
    spine.record(name="lead_submitted", event_id="soon", lead_id="1", occurred_at=soon)
    assert await spine.drain() == 2
    assert {arrival.event_id for arrival in spine.sandbox.ledger.arrivals} == {"soon"}


async def test_disabled_is_skipped_and_paused_waits(spine):
    spine.connection.execute("UPDATE outbox.destination SET enabled = false WHERE name = 'ga4'")
    spine.connection.execute("UPDATE outbox.route SET paused = true WHERE step = 'trial_started' AND destination = 1")
    for step in ("lead_submitted", "trial_started"):
        spine.record(name=step, event_id=step, lead_id="1")
    assert await spine.drain() == 1
    assert spine.receipts() == {
        ("lead_submitted", "meta"): ("delivered", None),
        ("lead_submitted", "ga4"): ("skipped", "disabled"),
        ("trial_started", "ga4"): ("skipped", "disabled"),
    }

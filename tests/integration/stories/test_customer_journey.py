"""An anonymous visitor becomes a lead, an account, a customer."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256

import outbox

FBCLID = "IwAR0_Click"
AGENT = "Mozilla/5.0 (X11; Linux x86_64)"
PERSON = outbox.Person(
    email="ada@example.com",
    phone="+44 20 7946 0958",
    first_name="Ada",
    last_name="Lovelace",
    city="London",
    country="GB",
)


def sha(text):
    return sha256(text.encode()).hexdigest()


def visitor(**more):
    return outbox.Visitor.from_request(
        headers={"User-Agent": AGENT, "X-Forwarded-For": "203.0.113.7", "Referer": "https://encycam.example/form"},
        cookies={"_fbp": "fb.1.1700000000000.1234567890", "_ga": "GA1.1.123.456", "handlID": "H1"},
        query={"fbclid": FBCLID, "utm_source": "facebook", "utm_campaign": "spring"} | more,
        remote="127.0.0.1",
    )


def sent(spine, event_id, destination="meta"):
    return [
        json.loads(bytes(arrival.payload)) for arrival in spine.arrivals(destination) if arrival.event_id == event_id
    ]


async def test_from_an_anonymous_visitor_to_a_renewal(spine):
    def record(conversion):
        outbox.record(spine.connection, conversion)

    # The landing page, and a lead with only an e-mail address.
    lead = outbox.LeadSubmitted(
        event_id="lead",
        lead_id="L1",
        form="lead-form-ds25",
        person=outbox.Person(email="ada@example.com"),
        visitor=visitor(),
    )
    record(lead)
    assert await spine.drain() == 0
    # The account, an hour later, in the same browser, with all traits.
    spine.clock.move(hours=1)
    record(outbox.AccountCreated(event_id="account", account_id="A1", handl_id="H1", lead_id="L1", person=PERSON))
    record(outbox.TrialStarted(event_id="trial", account_id="A1"))
    assert await spine.drain() == 0
    # Stripe reports a purchase a day later, and a renewal, with only the account.
    spine.clock.move(days=1)
    money = {"value": 490, "currency": "EUR", "details": {"origin": "stripe"}}
    record(outbox.SubscriptionPurchased(event_id="purchase", account_id="A1", order_id="in_1", **money))
    assert await spine.drain() == 0
    spine.clock.move(days=30)
    record(outbox.SubscriptionRenewed(event_id="renewal", account_id="A1", order_id="in_2", **money))
    assert await spine.drain() == 0

    # The lead was sent again once, with the account first, and Meta counted it once.
    first, again = sent(spine, "lead")
    assert first["user_data"]["external_id"] == [sha("h1"), sha("lead:l1")]
    assert again["user_data"]["external_id"] == [sha("a1"), sha("h1"), sha("lead:l1")]
    assert {"em", "ph", "fn", "ln", "ct", "country"} <= again["user_data"].keys()
    verdicts = Counter((arrival.event_id, arrival.verdict) for arrival in spine.arrivals("meta"))
    assert verdicts == {
        ("lead", "counted"): 1,
        ("lead", "duplicate"): 1,
        **{(event, "counted"): 1 for event in ("account", "trial", "purchase", "renewal")},
    }
    # Every event of the account has everything known by then about browser and person.
    for event in ("account", "trial", "purchase", "renewal"):
        (payload,) = sent(spine, event)
        user_data = payload["user_data"]
        assert {"em", "ph", "fn", "ln", "ct", "country"} <= user_data.keys(), event
        assert user_data["client_ip_address"] == "203.0.113.7"
        assert user_data["client_user_agent"] == AGENT
        assert user_data["fbp"] == "fb.1.1700000000000.1234567890"
        assert user_data["fbc"].endswith(f".{FBCLID}")
        assert user_data["external_id"] == [sha("a1"), sha("h1"), sha("lead:l1")]
    # A website visit is what a browser was seen at: with its own page, or with that of another event of the same browser.
    assert {event: sent(spine, event)[0]["action_source"] for event in ("account", "trial", "purchase", "renewal")} == {
        "account": "website",
        "trial": "other",
        "purchase": "system_generated",
        "renewal": "system_generated",
    }
    # The click is the same one throughout, with the time it was first seen.
    assert (
        len(
            {payload["user_data"]["fbc"] for event in ("lead", "purchase", "renewal") for payload in sent(spine, event)}
        )
        == 1
    )
    # GA4 counts each once, under one client, and under the account from the moment there is one.
    ga4 = [arrival for arrival in spine.arrivals("ga4") if arrival.kind == "event"]
    assert Counter(arrival.event_id for arrival in ga4) == dict.fromkeys(
        ("lead", "account", "trial", "purchase", "renewal"), 1
    )
    envelopes = [json.loads(bytes(arrival.envelope)) for arrival in ga4]
    assert {envelope["client_id"] for envelope in envelopes} == {"123.456"}
    assert [envelope["user_id"] for envelope in envelopes] == ["lead:L1", "A1", "A1", "A1", "A1"]
    assert not [arrival for arrival in spine.sandbox.ledger.arrivals if arrival.problems]


async def test_a_second_account_on_the_same_browser_gets_nothing_of_the_first(spine):
    outbox.record(
        spine.connection, outbox.AccountCreated(event_id="one", account_id="A1", person=PERSON, visitor=visitor())
    )
    await spine.drain()
    spine.clock.move(hours=1)
    outbox.record(spine.connection, outbox.AccountCreated(event_id="two", account_id="A2", handl_id="H1"))
    outbox.record(spine.connection, outbox.TrialStarted(event_id="trial", account_id="A2"))
    assert await spine.drain() == 0
    assert sent(spine, "two")[0]["user_data"] == {"external_id": [sha("a2"), sha("h1")]}
    assert sent(spine, "trial")[0]["user_data"] == {"external_id": [sha("a2")]}
    assert len(sent(spine, "one")) == 1

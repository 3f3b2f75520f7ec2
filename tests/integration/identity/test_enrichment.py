"""Everything known of a person is sent with each of their conversions, and with nobody else's: from record to arrival."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from outbox.sealing import seal

PERSON = {
    "email": "Ada.Lovelace@gmail.com",
    "phone": "+44 20 7946 0958",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "city": "London",
    "state": "ENG",
    "postal_code": "SW1Y 4JH",
    "country": "GB",
}
SEALED = seal(PERSON)
BROWSER = {
    "ip": "203.0.113.7",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
    "url": "https://crm.example/form",
    "fbp": "fb.1.1700000000000.1234567890",
    "fbc": "fb.1.1700000000000.IwAR1",
    "ga_client_id": "123.456",
}
AT_META = {
    "client_ip_address": BROWSER["ip"],
    "client_user_agent": BROWSER["user_agent"],
    "fbp": BROWSER["fbp"],
    "fbc": BROWSER["fbc"],
}
MONEY = {"value": 49.9, "currency": "EUR", "product": "pro"}


def sha(key):
    return sha256(key.encode()).hexdigest()


def ids(*keys):
    """Return the hashes of identifiers; a lead is given with its prefix: `lead:l1`."""
    return [sha(key) for key in keys]


def happen(spine, event_id, *, ago=1, name="signed_in", **fields):
    """Record an event that happened `ago` minutes ago; subscription events get an amount."""
    at = datetime.fromtimestamp(spine.clock.now(), UTC) - timedelta(minutes=ago)
    if name.startswith("subscription"):
        fields["details"] = MONEY | {"order_id": event_id} | fields.get("details", {})
    spine.record(name=name, event_id=event_id, occurred_at=at.isoformat(), **fields)


def at_meta(spine, event_id):
    """The event as Meta received it last."""
    return [arrival.event for arrival in spine.arrivals("meta") if arrival.event_id == event_id][-1]


def user_data(spine, event_id):
    return at_meta(spine, event_id)["user_data"]


def at_ga4(spine, event_id):
    """The envelope that GA4 received with the event, and its parameters."""
    (arrival,) = [arrival for arrival in spine.arrivals("ga4") if arrival.event_id == event_id]
    return arrival.shared | arrival.event["params"]


# The person


async def test_a_renewal_with_only_an_account_is_sent_with_everything_known_of_its_person(spine):
    """All but the click: after 90 days it is the reason for nothing any more."""
    happen(spine, "lead", ago=9, name="lead_submitted", handl_id="H1", lead_id="L1", person=PERSON, visitor=BROWSER)
    happen(spine, "account", ago=8, name="account_created", account_id="A1", handl_id="H1", lead_id="L1")
    await spine.drain()
    spine.clock.move(days=200)
    happen(spine, "renewal", name="subscription_renewed", account_id="A1")
    assert await spine.drain() == 0
    known = {**SEALED.meta, **AT_META, "external_id": ids("a1", "h1", "lead:l1")}
    assert user_data(spine, "account") == known
    known.pop("fbc")
    assert user_data(spine, "renewal") == known
    ga4 = at_ga4(spine, "renewal")
    assert (ga4["client_id"], ga4["user_id"], ga4["user_data"]) == ("123.456", "A1", SEALED.google)
    assert ga4["user_properties"]["user_country"] == {"value": "gb"}
    assert not [arrival.problems for arrival in spine.sandbox.ledger.arrivals if arrival.problems]


async def test_an_event_keeps_its_own_fields_and_borrows_the_most_recent_of_those_it_lacks(spine):
    happen(spine, "first", ago=9, account_id="A1", person={"email": "old@example.com", "phone": "+442079460001"})
    happen(spine, "second", ago=8, account_id="A1", person={"email": "new@example.com"})
    happen(spine, "later", ago=1, account_id="A1", person={"first_name": "Ada"})
    happen(spine, "own", ago=5, name="trial_started", account_id="A1", person={"email": "own@example.com"})
    happen(spine, "none", ago=7, name="trial_started", account_id="A1")
    await spine.drain()
    assert user_data(spine, "own")["em"] == ids("own@example.com")
    assert user_data(spine, "none")["em"] == ids("own@example.com")
    assert user_data(spine, "own")["ph"] == ids("442079460001")
    assert user_data(spine, "own")["fn"] == ids("ada")


async def test_browser_fields_are_borrowed_from_the_most_recent_browser_of_the_person_together(spine):
    """What an event lacks comes from the newest other event, also where it carries an older browser of the person."""
    for handl, ago in (("H1", 9), ("H2", 5)):
        browser = BROWSER | {"fbp": f"fb.1.170000000000{ago}.1", "user_agent": f"Browser {handl}"}
        happen(spine, handl, ago=ago, account_id="A1", handl_id=handl, visitor=browser)
    happen(spine, "there", name="trial_started", account_id="A1", handl_id="H1")
    happen(spine, "anywhere", name="trial_started", account_id="A1")
    await spine.drain()
    for event_id in ("there", "anywhere"):
        assert user_data(spine, event_id)["fbp"] == "fb.1.1700000000005.1"
        assert user_data(spine, event_id)["client_user_agent"] == "Browser H2"


async def test_browser_fields_are_borrowed_only_from_browsers_on_which_nobody_else_was_seen(spine):
    for handl, ago in (("own", 9), ("shared", 5)):
        browser = BROWSER | {"fbp": f"fb.1.170000000000{ago}.1", "user_agent": f"Browser {handl}"}
        happen(spine, handl, ago=ago, account_id="A1", handl_id=handl, visitor=browser)
    happen(spine, "somebody else", ago=4, account_id="A2", handl_id="shared")
    happen(spine, "there", name="trial_started", account_id="A1", handl_id="shared")
    await spine.drain()
    assert user_data(spine, "there")["fbp"] == "fb.1.1700000000009.1"
    assert user_data(spine, "there")["client_user_agent"] == "Browser own"
    assert user_data(spine, "there")["external_id"] == ids("a1", "shared", "own")


async def test_a_borrowed_click_keeps_the_time_at_which_it_was_made(spine):
    happen(spine, "click", ago=60, name="lead_submitted", handl_id="H1", lead_id="L1", visitor={"fbclid": "IwAR2"})
    happen(spine, "account", name="account_created", account_id="A1", handl_id="H1")
    await spine.drain()
    (clicked,) = spine.connection.execute("SELECT occurred_at FROM outbox.event WHERE event_id = 'click'").fetchone()
    assert user_data(spine, "account")["fbc"] == f"fb.1.{int(clicked.timestamp() * 1000)}.IwAR2"


# Identifiers


async def test_external_ids_are_account_handl_ids_and_leads_newest_first_and_once_each(spine):
    happen(spine, "1", ago=9, account_id="Acc-1", handl_id="H1", lead_id="L1")
    happen(spine, "2", ago=8, account_id="Acc-1", handl_id="H2", lead_id="L2")
    happen(spine, "3", ago=7, account_id="Acc-1", handl_id=" h2 ", lead_id="L3")
    happen(spine, "renewal", name="subscription_renewed", account_id="Acc-1")
    await spine.drain()
    assert user_data(spine, "renewal")["external_id"] == ids("acc-1", "h2", "h1", "lead:l3", "lead:l2", "lead:l1")


async def test_external_ids_are_newest_first_also_before_the_ones_that_an_older_event_carries(spine):
    happen(spine, "1", ago=9, name="lead_submitted", handl_id="H1", lead_id="L1")
    happen(spine, "2", ago=8, account_id="A1", handl_id="H1", lead_id="L1")
    happen(spine, "3", ago=7, account_id="A1", handl_id="H2", lead_id="L2")
    await spine.drain()
    assert user_data(spine, "1")["external_id"] == ids("a1", "h2", "h1", "lead:l2", "lead:l1")


async def test_a_lead_with_an_address_joins_the_only_account_of_its_browser_if_that_has_none(spine):
    """It is the only person seen there, and the account has neither e-mail nor phone. A click serves later events only."""
    happen(spine, "form", ago=9, name="lead_submitted", handl_id="H1", lead_id="L1", person=PERSON)
    happen(spine, "signed", ago=5, account_id="A1", handl_id="H1", visitor=BROWSER)
    happen(spine, "demo", ago=3, name="demo_requested", lead_id="L1")
    happen(spine, "renewal", name="subscription_renewed", account_id="A1")
    await spine.drain()
    everything = {**SEALED.meta, **AT_META}
    whose = {"external_id": ids("a1", "h1", "lead:l1")}
    assert user_data(spine, "demo") == everything | whose
    assert user_data(spine, "renewal") == everything | whose
    everything.pop("fbc")
    assert user_data(spine, "form") == everything | whose
    assert at_ga4(spine, "demo")["user_id"] == "A1"


async def test_a_lead_with_an_address_is_a_stranger_on_the_browser_of_an_account_that_has_its_own(spine):
    happen(spine, "form", ago=9, name="lead_submitted", handl_id="H1", lead_id="L1", person=PERSON)
    happen(spine, "signed", ago=5, account_id="A1", handl_id="H1", person={"email": "b@example.com"}, visitor=BROWSER)
    happen(spine, "renewal", name="subscription_renewed", account_id="A1")
    await spine.drain()
    assert user_data(spine, "form") == {**SEALED.meta, "external_id": ids("h1", "lead:l1")}
    assert user_data(spine, "renewal") == {"em": ids("b@example.com"), "external_id": ids("a1")}
    assert at_ga4(spine, "form")["user_id"] == "lead:L1"


# Boundaries


@pytest.mark.parametrize("second_was_first", [False, True])
@pytest.mark.parametrize(
    "recorded", [("known", "known's", "other", "other's"), ("other's", "other", "known's", "known")]
)
async def test_two_accounts_on_a_browser_borrow_nothing_from_each_other_nor_from_the_browser(
    spine, second_was_first, recorded
):
    """Its handlID and its values are nobody's in particular: they go out with the events that carry them only."""
    ago = {"known": 5, "known's": 1, "other": 8 if second_was_first else 3, "other's": 1}
    events = {
        "known": {"account_id": "A1", "handl_id": "H1", "lead_id": "L1", "person": PERSON, "visitor": BROWSER},
        "known's": {"name": "subscription_renewed", "account_id": "A1"},
        "other": {"name": "account_created", "account_id": "A2", "handl_id": "H1", "visitor": {"ip": "203.0.113.8"}},
        "other's": {"name": "subscription_renewed", "account_id": "A2", "person": {"email": "b@example.com"}},
    }
    for event_id in recorded:
        happen(spine, event_id, ago=ago[event_id], **events[event_id])
    await spine.drain()
    assert user_data(spine, "other") == {
        "em": ids("b@example.com"),
        "client_ip_address": "203.0.113.8",
        "external_id": ids("a2", "h1"),
    }
    assert user_data(spine, "other's") == {"em": ids("b@example.com"), "external_id": ids("a2")}
    assert user_data(spine, "known's") == {**SEALED.meta, "external_id": ids("a1", "lead:l1")}
    clients = {event_id: at_ga4(spine, event_id)["client_id"] for event_id in ("other", "other's", "known's")}
    assert clients["other"] == clients["other's"] != clients["known's"]
    assert "123.456" not in clients.values()


async def test_an_anonymous_event_belongs_to_the_last_sign_in_before_it_else_the_first_after(spine):
    happen(spine, "before all", ago=9, name="lead_submitted", handl_id="H1")
    happen(spine, "first", ago=8, account_id="A1", handl_id="H1")
    happen(spine, "between", ago=7, name="lead_submitted", handl_id="H1")
    happen(spine, "second", ago=6, account_id="A2", handl_id="H1")
    happen(spine, "after all", ago=5, name="lead_submitted", handl_id="H1")
    await spine.drain()
    owners = {
        event_id: user_data(spine, event_id)["external_id"] for event_id in ("before all", "between", "after all")
    }
    assert owners == {"before all": ids("a1", "h1"), "between": ids("a1", "h1"), "after all": ids("a2", "h1")}


async def test_a_test_lead_of_forty_accounts_connects_none_of_them(spine):
    for number in range(40):
        person = {"email": f"{number}@example.com"}
        happen(spine, f"{number}", ago=60 - number, account_id=f"A{number}", lead_id="test", person=person)
    happen(spine, "renewal", name="subscription_renewed", account_id="A7")
    happen(spine, "anonymous", name="lead_submitted", lead_id="test", handl_id="H1")
    happen(spine, "carries it", name="trial_started", account_id="A8", lead_id="test")
    await spine.drain()
    assert user_data(spine, "renewal") == {"em": ids("7@example.com"), "external_id": ids("a7")}
    assert user_data(spine, "carries it") == {"em": ids("8@example.com"), "external_id": ids("a8", "lead:test")}
    clients = {at_ga4(spine, event_id)["client_id"] for event_id in ("renewal", "anonymous", "carries it")}
    assert len(clients) == 3


async def test_two_leads_of_one_office_browser_that_became_two_accounts_share_nothing(spine):
    for number in (1, 2):
        person = {"email": f"{number}@example.com"}
        happen(spine, f"lead {number}", ago=9, name="lead_submitted", handl_id="H", lead_id=f"L{number}", person=person)
        happen(spine, f"account {number}", ago=5, name="account_created", account_id=f"A{number}", lead_id=f"L{number}")
    await spine.drain()
    for number in (1, 2):
        keys = (f"a{number}", f"lead:l{number}")
        assert user_data(spine, f"account {number}") == {"em": ids(f"{number}@example.com"), "external_id": ids(*keys)}
        lead = user_data(spine, f"lead {number}")
        assert lead == {"em": ids(f"{number}@example.com"), "external_id": ids(keys[0], "h", keys[1])}


# Consent


async def test_the_latest_consent_of_a_person_applies_to_events_without_their_own(spine):
    happen(spine, "granted", ago=9, account_id="A1", person=PERSON, consent={"ad_user_data": "granted"})
    happen(spine, "denied", ago=8, account_id="A1", consent={"ad_user_data": "denied", "ad_personalization": "denied"})
    happen(spine, "renewal", ago=7, name="subscription_renewed", account_id="A1")
    await spine.drain()
    assert spine.receipts()["renewal", "meta"] == ("skipped", "consent")
    ga4 = at_ga4(spine, "renewal")
    assert ga4["consent"] == {"ad_user_data": "DENIED", "ad_personalization": "DENIED"}
    assert not {"user_id", "user_data"} & ga4.keys()
    happen(
        spine, "granted again", account_id="A1", consent={"ad_user_data": "granted", "ad_personalization": "granted"}
    )
    happen(spine, "next", name="subscription_renewed", account_id="A1")
    await spine.drain()
    assert user_data(spine, "next") == {**SEALED.meta, "external_id": ids("a1")}
    assert at_ga4(spine, "next")["consent"] == {"ad_user_data": "GRANTED", "ad_personalization": "GRANTED"}


async def test_an_event_that_denies_consent_is_no_source_and_borrows_nothing(spine):
    happen(spine, "known", ago=9, account_id="A1", handl_id="H1", person={"first_name": "Ada"}, visitor=BROWSER)
    happen(
        *(spine, "denied"),
        name="trial_started",
        account_id="A1",
        person={"email": "ada@example.com"},
        consent={"ad_user_data": "denied"},
    )
    happen(spine, "granted", name="trial_started", account_id="A1", consent={"ad_user_data": "granted"})
    await spine.drain()
    assert spine.receipts()["denied", "meta"] == ("skipped", "consent")
    assert not {"user_id", "user_data"} & at_ga4(spine, "denied").keys()
    assert user_data(spine, "granted") == {"fn": ids("ada"), **AT_META, "external_id": ids("a1", "h1")}


async def test_after_a_refusal_events_that_granted_before_are_sent_with_their_own_traits_only(spine):
    happen(spine, "known", ago=9, account_id="A1", person=PERSON)
    granted = {"ad_user_data": "granted"}
    happen(spine, "trial", ago=8, name="trial_started", account_id="A1", person={"gender": "f"}, consent=granted)
    happen(spine, "refusal", ago=7, account_id="A1", consent={"ad_user_data": "denied"})
    await spine.drain()
    assert user_data(spine, "trial") == {"ge": ids("f"), "external_id": ids("a1")}


# GA4


async def test_the_client_id_is_the_own_one_else_the_most_recent_real_one_of_the_person(spine):
    """Also where the event carries an older browser of the person."""
    happen(spine, "old", ago=9, account_id="A1", handl_id="H1", visitor={"ga_client_id": "1.1"})
    happen(spine, "new", ago=8, account_id="A1", handl_id="H2", visitor={"ga_client_id": "2.2"})
    happen(spine, "own", name="trial_started", account_id="A1", visitor={"ga_client_id": "3.3"}, ago=10)
    happen(spine, "renewal", name="subscription_renewed", account_id="A1")
    happen(spine, "there", name="trial_started", account_id="A1", handl_id="H1")
    await spine.drain()
    clients = {event_id: at_ga4(spine, event_id)["client_id"] for event_id in ("own", "renewal", "there")}
    assert clients == {"own": "3.3", "renewal": "2.2", "there": "2.2"}


async def test_without_a_real_client_id_it_is_derived_from_the_own_keys_of_the_event(spine):
    """From its account, else its lead, else its handlID: what becomes known of its person later does not move it."""
    happen(spine, "lead", ago=9, name="lead_submitted", handl_id="H1", lead_id="L1")
    await spine.drain()
    happen(spine, "account", ago=8, name="account_created", account_id="A1", lead_id="L1")
    await spine.drain()
    happen(spine, "elsewhere", ago=7, name="trial_started", account_id="A1", handl_id="H2")
    happen(spine, "renewal", name="subscription_renewed", account_id="A1")
    happen(spine, "again", name="demo_requested", lead_id="L1")
    happen(spine, "page", name="trial_downloaded", handl_id="H1")
    happen(spine, "somebody", name="trial_started", account_id="A2")
    happen(spine, "same number", name="lead_submitted", lead_id="A1")
    await spine.drain()
    assert user_data(spine, "page")["external_id"][0] == user_data(spine, "again")["external_id"][0] == sha("a1")
    alike = ({"lead", "again"}, {"account", "elsewhere", "renewal"}, {"page"}, {"somebody"}, {"same number"})
    clients = [{at_ga4(spine, event_id)["client_id"] for event_id in events} for events in alike]
    assert [len(found) for found in clients] == [1] * len(alike)
    assert len(set.union(*clients)) == len(alike)


async def test_the_user_id_is_the_account_else_the_lead_with_its_prefix_and_never_an_email_address(spine):
    happen(spine, "account", name="trial_started", account_id="A1", lead_id="L1")
    happen(spine, "lead", name="lead_submitted", lead_id="L2")
    happen(spine, "address", name="lead_submitted", lead_id="Ada@Example.com")
    happen(spine, "nobody", name="lead_submitted", handl_id="H9")
    await spine.drain()
    assert at_ga4(spine, "account")["user_id"] == "A1"
    assert at_ga4(spine, "lead")["user_id"] == "lead:L2"
    assert at_ga4(spine, "address")["user_id"] == sha("lead:ada@example.com")
    assert "user_id" not in at_ga4(spine, "nobody")


async def test_a_session_is_sent_while_it_is_fresh_and_is_never_borrowed(spine):
    began = {hours: str(int(spine.clock.now() - hours * 3600)) for hours in (1, 25)}
    for hours, session in began.items():
        visitor = BROWSER | {"ga_session_id": session}
        happen(spine, f"{hours}", name="trial_started", account_id=f"A{hours}", visitor=visitor)
    happen(spine, "renewal", name="subscription_renewed", account_id="A1")
    await spine.drain()
    assert at_ga4(spine, "1")["session_id"] == began[1]
    assert "session_id" not in at_ga4(spine, "25")
    assert "session_id" not in at_ga4(spine, "renewal")


# Action source


async def test_a_stripe_purchase_is_a_website_event_if_it_names_its_browser_and_a_renewal_never_is(spine):
    happen(spine, "known", account_id="A1", handl_id="H1", visitor=BROWSER)
    stripe = {"origin": "stripe"}
    happen(spine, "seen", name="subscription_purchased", account_id="A1", handl_id="H1", details=stripe)
    happen(spine, "nowhere", name="subscription_purchased", account_id="A1", details=stripe)
    happen(spine, "unseen", name="subscription_purchased", account_id="A2", details=stripe)
    happen(spine, "renewal", name="subscription_renewed", account_id="A1", details=stripe)
    happen(spine, "elsewhere", name="subscription_purchased", account_id="A3")
    await spine.drain()
    sources = {
        event_id: at_meta(spine, event_id)["action_source"]
        for event_id in ("seen", "nowhere", "unseen", "renewal", "elsewhere")
    }
    assert sources == {
        "seen": "website",
        "nowhere": "system_generated",
        "unseen": "system_generated",
        "renewal": "system_generated",
        "elsewhere": "other",
    }
    assert at_meta(spine, "seen")["event_source_url"] == BROWSER["url"]
    assert {"client_user_agent", "client_ip_address", "fbp", "fbc"} < user_data(spine, "seen").keys()

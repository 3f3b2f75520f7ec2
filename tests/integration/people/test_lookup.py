"""`outbox person` shows what is known of a person, found by any of their keys: names and times, never values or hashes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec
import pytest

from dispatcher.people.lookup import AmbiguousPersonError, By, Selector, find_person
from dispatcher.people.profile import build_profile

BROWSER = {"ip": "203.0.113.7", "user_agent": "Mozilla/5.0 (X11)", "fbp": "fb.1.1700000000000.1234567890"}
ADA = {"email": " Ada.Lovelace@Example.com", "phone": "+44 20 7946 0958", "country": "GB"}


def ago(**time):
    return (datetime.now(UTC) - timedelta(**time)).isoformat()


def names(items):
    return [item.name for item in items]


def ids(profile):
    return [event.event_id for event in profile.events]


@pytest.fixture
def profile(database):
    """The profile of the person that a selector means."""

    async def profile(**selector):
        ((by, value),) = selector.items()
        async with database.transaction(is_reading=True) as transaction:
            return await build_profile(transaction, await find_person(transaction, Selector(By(by), value)))

    return profile


@pytest.fixture
async def ada(spine):
    """A person with a handlID, a lead and an account; and another person."""
    spine.record(
        name="lead_submitted", event_id="lead", handl_id="H1", lead_id="L1", visitor=BROWSER, occurred_at=ago(hours=3)
    )
    await spine.drain()
    spine.record(
        name="account_created", event_id="account", account_id="A1", handl_id="H1", person=ADA,
        consent={"ad_user_data": "granted"}, occurred_at=ago(hours=2),
    )  # fmt: skip
    spine.record(name="lead_submitted", event_id="other", handl_id="H2", lead_id="L2", person={"email": "b@b.co"})
    await spine.drain()
    spine.record(name="trial_started", event_id="trial", account_id="A1", person={"first_name": "Ada"})


@pytest.mark.usefixtures("ada")
async def test_every_key_of_a_person_finds_the_same_person(profile, outbox):
    by_account = await profile(account="A1")
    assert ids(by_account) == ["lead", "account", "trial"]
    assert {(key.name, key.value, key.events) for key in by_account.keys} == {
        ("account", "A1", 2), ("handl", "H1", 2), ("lead", "L1", 1),
    }  # fmt: skip
    assert set(names(by_account.traits)) == {"email", "phone", "country", "first_name"}
    assert set(names(by_account.browser)) == {"ip", "user_agent", "fbp"}
    assert [(consent.name, consent.state) for consent in by_account.consent] == [("ad_user_data", "granted")]
    for selector in ({"lead": "L1"}, {"handl": "H1"}, {"email": "ada.lovelace@EXAMPLE.com "}):
        assert await profile(**selector) == by_account
    code, printed, _ = await outbox("person", "--email", "ada.lovelace@example.com", "--json")
    assert (code, json.loads(printed)) == (0, msgspec.to_builtins(by_account))


@pytest.mark.usefixtures("ada")
async def test_it_shows_when_each_trait_was_first_seen_and_the_outcome_of_each_event(profile, spine):
    at = dict(spine.connection.execute("SELECT event_id, occurred_at FROM outbox.event").fetchall())
    shown = await profile(account="A1")
    (email,) = [trait for trait in shown.traits if trait.name == "email"]
    assert email.first_seen_at == at["account"]
    lead, _, trial = shown.events
    assert {(each.destination, each.revision, each.outcome) for each in lead.deliveries} == {
        ("meta", 0, "delivered"), ("meta", 1, "delivered"), ("ga4", 0, "delivered"),
    }  # fmt: skip
    assert [each.outcome for each in trial.deliveries] == ["waiting for intake"]


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("how", [(), ("--json",), "terminal"])
async def test_no_value_and_no_hash_is_shown(outbox, spine, how):
    spine.record(name="email_verified", account_id="A1", person={"email": "ada.private@example.com"})
    if how == "terminal":
        code, printed, errors = await outbox("person", "--account", "A1", answer="")
    else:
        code, printed, errors = await outbox("person", "--account", "A1", *how)
    assert (code, errors) == (0, "")
    assert "first_name" in printed
    assert ("│" in printed) == (how == "terminal")
    secrets = ["ada.lovelace@example.com", "ada.private@example.com", "442079460958", "ada"]
    for secret in [*secrets, *(sha256(secret.encode()).hexdigest() for secret in secrets), *BROWSER.values()]:
        assert secret == "ada" or secret not in printed.lower()


async def test_an_email_address_is_found_before_it_is_sealed_and_without_any_key(profile, spine):
    spine.record(name="lead_submitted", event_id="keyless", person=ADA)
    spine.record(name="lead_submitted", event_id="sealed", lead_id="L9",
                 sealed={"meta": {"em": [sha256(b"ada.lovelace@example.com").hexdigest() + ".AbCdEf12"]}})  # fmt: skip
    assert ids(await profile(email="ada.lovelace@example.com")) == ["keyless", "sealed"]
    await spine.drain()
    assert ids(await profile(email="ada.lovelace@example.com")) == ["keyless", "sealed"]


async def test_gmail_is_one_mailbox_with_and_without_dots(profile, spine):
    spine.record(name="lead_submitted", event_id="dots", lead_id="L1", person={"email": "a.d.a@gmail.com"})
    await spine.drain()
    assert ids(await profile(email="ada@gmail.com")) == ["dots"]


async def test_no_match_is_not_an_error(profile, outbox):
    assert await outbox("person", "--lead", "L1") == (0, "no match\n", "")
    assert ids(await profile(email="no address")) == ids(await profile(account="A9")) == []


@pytest.mark.parametrize("arguments", [(), ("--lead", "L1", "--handl", "H1"), ("--lead", " ")])
async def test_exactly_one_selector_is_required(outbox, arguments):
    code, _, errors = await outbox("person", *arguments)
    assert code == 2
    assert "Choose one of: --account, --lead, --handl, --email" in " ".join(errors.replace("│", " ").split())


async def test_a_shared_browser_is_ambiguous_and_each_account_keeps_its_own_events(profile, spine, outbox):
    for hours, account in ((9, "A1"), (5, "A2")):
        spine.record(
            name="signed_in", event_id=f"in {account}", account_id=account, handl_id="H", occurred_at=ago(hours=hours)
        )
        spine.record(name="demo_requested", event_id=f"of {account}", handl_id="H", occurred_at=ago(hours=hours - 1))
    spine.record(name="demo_requested", event_id="first", handl_id="H", occurred_at=ago(hours=10))
    for take_in in (False, True):
        if take_in:
            await spine.drain()
        with pytest.raises(AmbiguousPersonError) as several:
            await profile(handl="H")
        assert several.value.accounts == ["A1", "A2"]
        assert ids(await profile(account="A1")) == ["first", "in A1", "of A1"]
        assert ids(await profile(account="A2")) == ["in A2", "of A2"]
    code, _, errors = await outbox("person", "--handl", "H")
    assert (code, errors) == (2, "outbox: several people have used this handl; choose an account: A1, A2\n")


async def test_a_person_who_never_signed_in_is_found_by_every_connected_key(profile, spine):
    spine.record(name="lead_submitted", event_id="visit", handl_id="H1", occurred_at=ago(hours=3))
    spine.record(name="lead_submitted", event_id="form", handl_id="H1", lead_id="L1", occurred_at=ago(hours=2))
    spine.record(name="demo_requested", event_id="call", lead_id="L1", occurred_at=ago(hours=1))
    spine.record(name="demo_requested", event_id="other", lead_id="L2")
    for take_in in (False, True):
        if take_in:
            await spine.drain()
        for selector in ({"handl": "H1"}, {"lead": "L1"}):
            assert ids(await profile(**selector)) == ["visit", "form", "call"]


async def test_a_lead_over_the_limit_finds_only_the_events_that_carry_it(profile, spine):
    spine.connection.execute(
        "INSERT INTO outbox.event (name, event_id, handl_id, lead_id) "
        "SELECT 'lead_submitted', 'c' || n, 'H' || n, 'test' FROM generate_series(1, 40) AS n "
        "UNION ALL SELECT 'demo_requested', 'd' || n, 'H' || n, NULL FROM generate_series(1, 40) AS n"
    )
    await spine.drain()
    assert {event_id[0] for event_id in ids(await profile(lead="test"))} == {"c"}
    assert len(ids(await profile(lead="test"))) == 40

"""`outbox person`: what is known of someone, by whatever they are known; names and times, never a value or a hash."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec
import pytest

from dispatcher.people.lookup import AmbiguousPersonError, By, Selector, find
from dispatcher.people.profile import build_profile

BROWSER = {"ip": "203.0.113.7", "user_agent": "Mozilla/5.0 (X11)", "fbp": "fb.1.1700000000000.1234567890"}
ADA = {"email": " Ada.Lovelace@Example.com", "phone": "+44 20 7946 0958", "country": "GB"}


def ago(**time):
    return (datetime.now(UTC) - timedelta(**time)).isoformat()


def names(items):
    return [item.name for item in items]


def ids(known):
    return [event.event_id for event in known.events]


@pytest.fixture
def known(database):
    """What is known of whom a selector means."""

    async def known(**selector):
        ((by, value),) = selector.items()
        async with database.transaction(is_reading=True) as transaction:
            return await build_profile(transaction, await find(transaction, Selector(By(by), value)))

    return known


@pytest.fixture
async def ada(spine):
    """A visitor, lead and account in one person, and somebody else beside her."""
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
async def test_a_person_is_the_same_by_whatever_they_are_known(known, outbox):
    by_account = await known(account="A1")
    assert ids(by_account) == ["lead", "account", "trial"]
    assert {(key.name, key.value, key.events) for key in by_account.keys} == {
        ("account", "A1", 2), ("handl", "H1", 2), ("lead", "L1", 1),
    }  # fmt: skip
    assert set(names(by_account.traits)) == {"email", "phone", "country", "first_name"}
    assert set(names(by_account.browser)) == {"ip", "user_agent", "fbp"}
    assert [(consent.name, consent.state) for consent in by_account.consent] == [("ad_user_data", "granted")]
    for selector in ({"lead": "L1"}, {"handl": "H1"}, {"email": "ada.lovelace@EXAMPLE.com "}):
        assert await known(**selector) == by_account
    code, said, _ = await outbox("person", "--email", "ada.lovelace@example.com", "--json")
    assert (code, json.loads(said)) == (0, msgspec.to_builtins(by_account))


@pytest.mark.usefixtures("ada")
async def test_it_says_when_something_was_learnt_and_what_became_of_each_event(known, spine):
    at = dict(spine.connection.execute("SELECT event_id, occurred_at FROM outbox.event").fetchall())
    shown = await known(account="A1")
    (email,) = [trait for trait in shown.traits if trait.name == "email"]
    assert email.first_seen_at == at["account"]
    lead, _, trial = shown.events
    assert {(told.destination, told.revision, told.outcome) for told in lead.deliveries} == {
        ("meta", 0, "delivered"), ("meta", 1, "delivered"), ("ga4", 0, "delivered"),
    }  # fmt: skip
    assert [told.outcome for told in trial.deliveries] == ["waiting for intake"]


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("how", [(), ("--json",), "terminal"])
async def test_no_value_and_no_hash_is_shown(outbox, spine, how):
    spine.record(name="email_verified", account_id="A1", person={"email": "ada.private@example.com"})
    if how == "terminal":
        code, said, errors = await outbox("person", "--account", "A1", answer="")
    else:
        code, said, errors = await outbox("person", "--account", "A1", *how)
    assert (code, errors) == (0, "")
    assert "first_name" in said
    assert ("│" in said) == (how == "terminal")
    secrets = ["ada.lovelace@example.com", "ada.private@example.com", "442079460958", "ada"]
    for secret in [*secrets, *(sha256(secret.encode()).hexdigest() for secret in secrets), *BROWSER.values()]:
        assert secret == "ada" or secret not in said.lower()


async def test_an_address_is_found_before_it_is_sealed_and_without_any_key(known, spine):
    spine.record(name="lead_submitted", event_id="keyless", person=ADA)
    spine.record(name="lead_submitted", event_id="sealed", lead_id="L9",
                 sealed={"meta": {"em": [sha256(b"ada.lovelace@example.com").hexdigest() + ".AbCdEf12"]}})  # fmt: skip
    assert ids(await known(email="ada.lovelace@example.com")) == ["keyless", "sealed"]
    await spine.drain()
    assert ids(await known(email="ada.lovelace@example.com")) == ["keyless", "sealed"]


async def test_gmail_is_one_mailbox_with_and_without_dots(known, spine):
    spine.record(name="lead_submitted", event_id="dots", lead_id="L1", person={"email": "a.d.a@gmail.com"})
    await spine.drain()
    assert ids(await known(email="ada@gmail.com")) == ["dots"]


async def test_nobody_is_no_mistake(known, outbox):
    assert await outbox("person", "--lead", "L1") == (0, "nothing is known of them\n", "")
    assert ids(await known(email="no address")) == ids(await known(account="A9")) == []


@pytest.mark.parametrize("arguments", [(), ("--lead", "L1", "--handl", "H1"), ("--lead", " ")])
async def test_somebody_must_be_named_in_one_way(outbox, arguments):
    code, _, errors = await outbox("person", *arguments)
    assert code == 2
    assert "--account, --lead, --handl or --email" in " ".join(errors.replace("│", " ").split())


async def test_a_shared_browser_names_nobody_and_lends_each_what_was_theirs(known, spine, outbox):
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
            await known(handl="H")
        assert several.value.accounts == ["A1", "A2"]
        assert ids(await known(account="A1")) == ["first", "in A1", "of A1"]
        assert ids(await known(account="A2")) == ["in A2", "of A2"]
    code, _, errors = await outbox("person", "--handl", "H")
    assert (code, errors) == (2, "outbox: several persons have used this handl; name an account: A1, A2\n")


async def test_who_has_not_signed_in_is_known_by_all_keys_that_go_together(known, spine):
    spine.record(name="lead_submitted", event_id="visit", handl_id="H1", occurred_at=ago(hours=3))
    spine.record(name="lead_submitted", event_id="form", handl_id="H1", lead_id="L1", occurred_at=ago(hours=2))
    spine.record(name="demo_requested", event_id="call", lead_id="L1", occurred_at=ago(hours=1))
    spine.record(name="demo_requested", event_id="other", lead_id="L2")
    for take_in in (False, True):
        if take_in:
            await spine.drain()
        for selector in ({"handl": "H1"}, {"lead": "L1"}):
            assert ids(await known(**selector)) == ["visit", "form", "call"]


async def test_a_lead_carried_by_a_crowd_is_itself_and_nobody_s_other_events(known, spine):
    spine.connection.execute(
        "INSERT INTO outbox.event (name, event_id, handl_id, lead_id) "
        "SELECT 'lead_submitted', 'c' || n, 'H' || n, 'test' FROM generate_series(1, 40) AS n "
        "UNION ALL SELECT 'demo_requested', 'd' || n, 'H' || n, NULL FROM generate_series(1, 40) AS n"
    )
    await spine.drain()
    assert {event_id[0] for event_id in ids(await known(lead="test"))} == {"c"}
    assert len(ids(await known(lead="test"))) == 40

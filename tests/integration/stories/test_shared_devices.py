"""Several people on one device: a tablet at a trade fair, a family's browser, an office with one phone and `info@`."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256

import outbox

AGENT = "Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X)"


def sha(text):
    return sha256(text.encode()).hexdigest()


def device(handl_id):
    return outbox.Visitor(
        handl_id=handl_id,
        ip="203.0.113.7",
        user_agent=AGENT,
        url="https://crm.example/form",
        fbp="fb.1.1700000000000.1234567890",
    )


def user_data(spine):
    """Return what Meta got of each event, by event id: one send each, unless it is a list of more."""
    sends = {}
    for arrival in spine.arrivals("meta"):
        assert not arrival.problems
        sends.setdefault(arrival.event_id, []).append(json.loads(bytes(arrival.payload))["user_data"])
    return sends


def own_of(name, phone):
    """Return the hashes that belong to one person only."""
    return {sha(f"{name}@example.com"), sha(phone), sha(name), sha(f"{name}son")}


def person(name, phone):
    return outbox.Person(email=f"{name}@example.com", phone=f"+{phone}", first_name=name, last_name=f"{name}son")


def personal(sent):
    return {value for field in ("em", "ph", "fn", "ln") for value in sent.get(field, ())}


async def test_twelve_visitors_of_a_trade_fair_on_one_tablet_are_twelve_people(spine):
    names = [f"visitor{letter}" for letter in "abcdefghijkl"]
    phones = {name: f"44207946{number:04}" for number, name in enumerate(names, 1)}
    for number, name in enumerate(names):
        # Every third gives no phone, every fourth no name: nobody else's may fill the gap.
        whole = person(name, phones[name])
        given = outbox.Person(
            email=whole.email,
            phone=None if number % 3 == 0 else whole.phone,
            first_name=None if number % 4 == 0 else whole.first_name,
            last_name=None if number % 4 == 0 else whole.last_name,
        )
        outbox.record(
            spine.connection,
            outbox.LeadSubmitted(event_id=name, lead_id=f"L-{name}", person=given, visitor=device("tablet")),
        )
        assert await spine.drain() == 0
        # Between two visitors the page of the tablet is only looked at.
        spine.clock.move(minutes=10)
        outbox.record(
            spine.connection, outbox.Conversion(name="email_verified", event_id=f"between-{name}", handl_id="tablet")
        )
        assert await spine.drain() == 0
        spine.clock.move(minutes=10)

    sends = user_data(spine)
    assert {name: len(sends[name]) for name in names} == dict.fromkeys(names, 1)
    everybody = set().union(*(own_of(name, phones[name]) for name in names))
    for name in names:
        (sent,) = sends[name]
        assert sent["em"] == [sha(f"{name}@example.com")]
        assert personal(sent) <= own_of(name, phones[name])
        assert ("ph" in sent, "fn" in sent) == (names.index(name) % 3 != 0, names.index(name) % 4 != 0)
        others = {sha(f"lead:l-{other}") for other in names if other != name}
        assert not others & set(sent["external_id"])
    # What happened between two visitors belongs to the first as long as nobody else was seen; after that to nobody.
    first, *later = [each for name, all_sent in sends.items() if name.startswith("between-") for each in all_sent]
    assert not any(personal(sent) & (everybody - own_of(names[0], phones[names[0]])) for sent in (first, *later))
    assert not any(personal(sent) for sent in later)


async def test_a_family_shares_a_browser_and_nothing_else(spine):
    family = {"anna": "442079460001", "bert": "442079460002"}
    for name, phone in family.items():
        outbox.record(
            spine.connection,
            outbox.AccountCreated(
                event_id=f"{name}-account", account_id=f"A-{name}", person=person(name, phone), visitor=device("home")
            ),
        )
        assert await spine.drain() == 0
        spine.clock.move(hours=1)
    # Carla, the daughter, fills a form on it; then the subscriptions are paid, of which only the account is known.
    outbox.record(
        spine.connection,
        outbox.LeadSubmitted(
            event_id="carla-lead",
            lead_id="L-carla",
            person=outbox.Person(email="carla@example.com"),
            visitor=device("home"),
        ),
    )
    for name in family:
        outbox.record(
            spine.connection,
            outbox.SubscriptionPurchased(
                event_id=f"{name}-purchase", account_id=f"A-{name}", value=49, currency="EUR", order_id=f"O-{name}"
            ),
        )
    assert await spine.drain() == 0

    sends = user_data(spine)
    assert Counter({event: len(each) for event, each in sends.items()}).most_common(1)[0][1] == 1
    for name, phone in family.items():
        for event in (f"{name}-account", f"{name}-purchase"):
            (sent,) = sends[event]
            assert personal(sent) == own_of(name, phone)
            assert sent["external_id"][0] == sha(f"a-{name}")
            assert not {sha(f"a-{other}") for other in family if other != name} & set(sent["external_id"])
    (carla,) = sends["carla-lead"]
    assert personal(carla) == {sha("carla@example.com")}
    assert not {sha("a-anna"), sha("a-bert")} & set(carla["external_id"])


async def test_an_office_with_one_phone_and_info_at(spine):
    switchboard = "442079460000"
    colleagues = ["dora", "emil", "fritz"]
    for name in colleagues:
        outbox.record(
            spine.connection,
            outbox.AccountCreated(
                event_id=f"{name}-account",
                account_id=f"A-{name}",
                person=person(name, switchboard),
                visitor=device(f"desk-{name}"),
            ),
        )
        # Each also asks for a demo with the address and the phone of the whole office.
        outbox.record(
            spine.connection,
            outbox.DemoRequested(
                event_id=f"{name}-demo",
                account_id=f"A-{name}",
                person=outbox.Person(email="info@example.com", phone=f"+{switchboard}"),
                visitor=device(f"desk-{name}"),
            ),
        )
    assert await spine.drain() == 0
    spine.clock.move(hours=1)
    # Somebody of the office, nobody knows who.
    outbox.record(
        spine.connection,
        outbox.LeadSubmitted(
            event_id="somebody",
            lead_id="L-somebody",
            person=outbox.Person(email="info@example.com", phone=f"+{switchboard}"),
            visitor=device("meeting-room"),
        ),
    )
    assert await spine.drain() == 0

    sends = user_data(spine)
    office = {sha("info@example.com"), sha(switchboard)}
    for name in colleagues:
        for sent in (*sends[f"{name}-account"], *sends[f"{name}-demo"]):
            assert personal(sent) <= own_of(name, switchboard) | office
            assert sent["external_id"] == [sha(f"a-{name}"), sha(f"desk-{name}")]
    (somebody,) = sends["somebody"]
    assert personal(somebody) == office
    assert somebody["external_id"] == [sha("meeting-room"), sha("lead:l-somebody")]

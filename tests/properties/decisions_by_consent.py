"""Decisions about consent and public forms. Written by hand from the rules."""

from __future__ import annotations

from tests.properties.decision import DENIED, GRANTED, Decision, of
from tests.properties.histories import at
from tests.properties.person_oracle import Event

ANNA, BOB, CLARA, PHONE = "anna@example.com", "bob@example.com", "clara@example.com", "+49301234"

CONSENT = (
    Decision(
        title="A refusal on a browser that two accounts used",
        decision="A refusal without an account counts for every account that signed in on the browser, until that account permits.",
        why="It may be either's; a permission counts only for the person it surely belongs to.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", handl="h"),
            Event(id=2, occurred_at=at(2), account="bob", handl="h"),
            Event(id=3, occurred_at=at(3), handl="h", consent=DENIED),
            Event(id=4, occurred_at=at(4), account="anna"),
            Event(id=5, occurred_at=at(5), account="bob", consent=GRANTED),
            Event(id=6, occurred_at=at(6), leads=("7",), handl="h", emails=(CLARA,)),
            Event(id=7, occurred_at=at(7), account="bob"),
        ),
        expected={
            1: of("anna", 1, 4, refused=True),
            2: of("bob", 2, 3, 5, 7),
            3: of("bob", 2, 3, 5, 7, refused=True),
            4: of("anna", 1, 4, refused=True),
            5: of("bob", 2, 3, 5, 7),
            6: of(None, 6, stranger=True, refused=True),
            7: of("bob", 2, 3, 5, 7),
        },
    ),
    Decision(
        title="A refusal by a lead that two accounts claim",
        decision="A refusal counts for both accounts, although the lead connects to neither.",
        why="Uncertainty keeps data apart, but it never weakens a refusal.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", leads=("42",)),
            Event(id=2, occurred_at=at(2), account="bob", leads=("42",)),
            Event(id=3, occurred_at=at(3), leads=("42",), consent=DENIED),
        ),
        expected={1: of("anna", 1, refused=True), 2: of("bob", 2, refused=True), 3: of(None, 3, refused=True)},
    ),
    Decision(
        title="A permission of somebody known by phone",
        decision="Where no address is known, the phone vouches for a permission.",
        why="A phone is a strong key as long as there is no address.",
        events=(
            Event(id=1, occurred_at=at(1), phones=(PHONE,), consent=DENIED),
            Event(id=2, occurred_at=at(2), phones=(PHONE,), consent=GRANTED),
            Event(id=3, occurred_at=at(3), phones=(PHONE,)),
        ),
        expected={1: of(None, 1, 2, 3, refused=True), 2: of(None, 1, 2, 3), 3: of(None, 1, 2, 3)},
    ),
    Decision(
        title="A permission of a lead that joined by its browser",
        decision="It counts for the lead's own events and does not lift the account's refusal.",
        why="That the lead is the account's user is likely, not certain.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", handl="h", consent=DENIED),
            Event(id=2, occurred_at=at(2), leads=("7",), handl="h", emails=(ANNA,), consent=GRANTED),
            Event(id=3, occurred_at=at(3), account="anna"),
            Event(id=4, occurred_at=at(4), leads=("7",)),
        ),
        expected={
            1: of("anna", 1, 2, 3, 4, refused=True),
            2: of("anna", 1, 2, 3, 4),
            3: of("anna", 1, 2, 3, 4, refused=True),
            4: of("anna", 1, 2, 3, 4, email=2),
        },
    ),
    Decision(
        title="A refusal under a test lead",
        decision="A refusal under a key above 32 combinations counts for every event that carries it, and for nothing else.",
        why="The key is nobody's in particular; what carries it may be what was refused.",
        events=(
            *(Event(id=n, occurred_at=at(n), leads=("0815",), emails=(f"{n}@example.com",)) for n in range(1, 34)),
            Event(id=34, occurred_at=at(34), leads=("0815",), consent=DENIED),
            Event(id=35, occurred_at=at(35), account="anna", leads=("0815",)),
            Event(id=36, occurred_at=at(36), account="anna"),
            Event(id=37, occurred_at=at(37), emails=("1@example.com",)),
        ),
        expected={
            1: of(None, 1, 37, refused=True),
            **{n: of(None, n, refused=True) for n in range(2, 35)},
            35: of("anna", 35, 36, refused=True),
            36: of("anna", 35, 36),
            37: of(None, 1, 37),
        },
    ),
    Decision(
        title="A permission that only a browser vouches for",
        decision="A permission without account, lead or address does not lift an account's refusal.",
        why="Anybody may have sat at the browser.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", handl="h", consent=DENIED),
            Event(id=2, occurred_at=at(2), handl="h", consent=GRANTED),
            Event(id=3, occurred_at=at(3), account="anna"),
        ),
        expected={1: of("anna", 1, 2, 3, refused=True), 2: of("anna", 1, 2, 3), 3: of("anna", 1, 2, 3, refused=True)},
    ),
    Decision(
        title="A refusal that was lifted later",
        decision="The refused event still connects, but none of its fields or identifiers go out with another event.",
        why="The later permission is not for what was refused.",
        events=(
            Event(id=1, occurred_at=at(1), leads=("7",), handl="h", emails=(ANNA,), phones=(PHONE,), consent=DENIED),
            Event(id=2, occurred_at=at(2), account="anna", emails=(ANNA,), consent=GRANTED),
            Event(id=3, occurred_at=at(3), account="anna"),
        ),
        expected={
            1: of("anna", 1, 2, 3, refused=True),
            2: of("anna", 1, 2, 3, external_id=("account:anna",)),
            3: of("anna", 1, 2, 3, email=2, external_id=("account:anna",)),
        },
    ),
    Decision(
        title="A consent object that says nothing known",
        decision="A consent that was not understood is a refusal of everything, for the person too.",
        why="No permission is ever guessed.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", emails=(ANNA,)),
            Event(id=2, occurred_at=at(2), account="anna", consent={}),
        ),
        expected={1: of("anna", 1, 2, refused=True), 2: of("anna", 1, 2, refused=True)},
    ),
    Decision(
        title="A refusal of personalised advertising or of analytics alone",
        decision="Advertising still gets the events, with the refusal; what may not go to GA4 gives no client id either.",
        why="Each signal counts by itself.",
        events=(
            Event(
                id=1,
                occurred_at=at(1),
                account="anna",
                emails=(ANNA,),
                ga_client_id="1.1",
                consent={"ad_personalization": "denied", "analytics_storage": "denied"},
            ),
            Event(id=2, occurred_at=at(2), account="anna", consent={"analytics_storage": "granted"}),
        ),
        expected={
            1: of("anna", 1, 2, client_id="1.1"),
            2: of("anna", 1, 2, email=1, client_id="account:anna"),
        },
    ),
)

PUBLIC = (
    Decision(
        title="A CRM that has only `outbox serve`",
        decision="Where everything is public, the same address, phone or lead is one person, and a browser is its only user's.",
        why="Nobody else vouches for anything; two different addresses are never tied together.",
        events=(
            Event(id=1, occurred_at=at(1), handl="h", fbc="click", public=True),
            Event(id=2, occurred_at=at(2), handl="h", emails=(ANNA,), traits={"first_name": "Anna"}, public=True),
            Event(id=3, occurred_at=at(3), handl="i", emails=(ANNA,), public=True),
            Event(id=4, occurred_at=at(4), handl="j", emails=(BOB,), public=True),
            Event(id=5, occurred_at=at(5), handl="k", public=True),
            Event(id=6, occurred_at=at(6), handl="k", url="https://example.com", public=True),
        ),
        expected={
            1: of(None, 1, 2, 3, email=3, first_name=2),
            2: of(None, 1, 2, 3, fbc=1),
            3: of(None, 1, 2, 3, first_name=2, fbc=1, external_id=("handl:i", "handl:h")),
            4: of(None, 4),
            5: of(None, 5, 6, url=6),
            6: of(None, 5, 6),
        },
    ),
    Decision(
        title="A public form with somebody else's handlID",
        decision="It neither permits for the browser's account nor adds its address to that account.",
        why="Landing pages forward handlIDs in addresses of pages; whoever has one can fill in a form.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", handl="h", consent=DENIED),
            Event(id=2, occurred_at=at(2), handl="h", emails=(BOB,), consent=GRANTED, public=True),
            Event(id=3, occurred_at=at(3), handl="h", consent=GRANTED, public=True),
            Event(id=4, occurred_at=at(4), account="anna"),
        ),
        expected={
            1: of("anna", 1, 3, 4, refused=True),
            2: of(None, 2, stranger=True),
            3: of("anna", 1, 3, 4),
            4: of("anna", 1, 3, 4, refused=True),
        },
    ),
    Decision(
        title="A public form with an account's address",
        decision="It belongs to the account and adds its phone and browser, but ties no lead to it.",
        why="Its address says whose it is; what else it claims proves nothing about keys.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", emails=(ANNA,)),
            Event(id=2, occurred_at=at(2), leads=("99",), handl="h", emails=(ANNA,), phones=(PHONE,), public=True),
            Event(id=3, occurred_at=at(3), account="anna"),
        ),
        expected={
            1: of("anna", 1, 2, 3, phone=2, external_id=("account:anna", "handl:h")),
            2: of("anna", 1, 2, 3, external_id=("account:anna", "handl:h", "lead:99")),
            3: of("anna", 1, 2, 3, email=2, phone=2, external_id=("account:anna", "handl:h")),
        },
    ),
    Decision(
        title="A public form that contradicts the CRM",
        decision="A form with one customer's lead and another's address is the address's, and the lead stays where it was.",
        why="A public event makes no key contested.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", leads=("42",)),
            Event(id=2, occurred_at=at(2), account="bob", emails=(BOB,)),
            Event(id=3, occurred_at=at(3), leads=("42",), emails=(BOB,), public=True),
            Event(id=4, occurred_at=at(4), leads=("42",)),
        ),
        expected={
            1: of("anna", 1, 4, external_id=("account:anna", "lead:42")),
            2: of("bob", 2, 3, external_id=("account:bob",)),
            3: of("bob", 2, 3, external_id=("account:bob", "lead:42")),
            4: of("anna", 1, 4),
        },
    ),
    Decision(
        title="A public form with two customers' addresses",
        decision="It belongs to neither.",
        why="Either choice would give one customer's data to another.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", emails=(ANNA,)),
            Event(id=2, occurred_at=at(2), account="bob", emails=(BOB,)),
            Event(id=3, occurred_at=at(3), emails=(ANNA, BOB), phones=(PHONE,), public=True),
        ),
        expected={1: of("anna", 1), 2: of("bob", 2), 3: of(None, 3)},
    ),
    Decision(
        title="A public form with the lead of an account's browser",
        decision="A form joins no account over a browser, not even through the lead that joined it so.",
        why="Two weak reasons in a row are none.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", handl="h"),
            Event(id=2, occurred_at=at(2), leads=("7",), handl="h", traits={"first_name": "Anna"}),
            Event(id=3, occurred_at=at(3), leads=("7",), public=True),
        ),
        expected={1: of("anna", 1, 2, first_name=2), 2: of("anna", 1, 2), 3: of(None, 3, external_id=("lead:7",))},
    ),
)

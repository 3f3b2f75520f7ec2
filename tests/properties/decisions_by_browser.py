"""Decisions about browsers: a family, a tablet, a laptop. Written by hand from the rules."""

from __future__ import annotations

from tests.properties.decision import Decision, of
from tests.properties.histories import at
from tests.properties.person_oracle import Event

ANNA, BOB, CLARA, PHONE = "anna@example.com", "bob@example.com", "clara@example.com", "+49301234"

BY_BROWSER = (
    Decision(
        title="Page views around a sign-in",
        decision="What a browser did without a name belongs to the account that signed in on it, if nobody else was seen.",
        why="With one user of the browser there is nobody to mix up.",
        events=(
            Event(id=1, occurred_at=at(1), handl="h", fbc="click"),
            Event(id=2, occurred_at=at(2), account="anna", handl="h", emails=(ANNA,)),
            Event(id=3, occurred_at=at(3), handl="h"),
        ),
        expected={
            1: of("anna", 1, 2, 3, email=2, external_id=("account:anna", "handl:h"), client_id="handl:h"),
            2: of("anna", 1, 2, 3, fbc=1),
            3: of("anna", 1, 2, 3, email=2, fbc=1),
        },
    ),
    Decision(
        title="An anonymous visitor leaves an address",
        decision="Where nobody ever signed in, page views belong to the only person seen on the browser.",
        why="The click before the form is what the form is worth.",
        events=(
            Event(id=1, occurred_at=at(1), handl="h", fbc="click"),
            Event(id=2, occurred_at=at(2), leads=("7",), handl="h", emails=(ANNA,)),
        ),
        expected={
            1: of(None, 1, 2, email=2, external_id=("handl:h", "lead:7")),
            2: of(None, 1, 2, fbc=1, external_id=("handl:h", "lead:7")),
        },
    ),
    Decision(
        title="A family's browser",
        decision="Somebody with another address on Anna's browser is a stranger there: nothing passes between them.",
        why="A browser is weak evidence, an address is not; page views after Bob was seen are nobody's.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", handl="home", emails=(ANNA,), phones=(PHONE,)),
            Event(id=2, occurred_at=at(2), handl="home"),
            Event(id=3, occurred_at=at(3), leads=("7",), handl="home", emails=(BOB,), fbp="fbp"),
            Event(id=4, occurred_at=at(4), handl="home"),
            Event(id=5, occurred_at=at(720), account="anna", traits={"last_name": "Berg"}),
        ),
        expected={
            1: of("anna", 1, 2, 5, last_name=5, external_id=("account:anna", "handl:home")),
            2: of("anna", 1, 2, 5, email=1, phone=1, last_name=5, external_id=("account:anna", "handl:home")),
            3: of(None, 3, stranger=True, external_id=("handl:home", "lead:7"), user_id="lead:7"),
            4: of(None, 4, stranger=True, external_id=("handl:home",), client_id="handl:home"),
            5: of("anna", 1, 2, 5, email=1, phone=1, external_id=("account:anna",)),
        },
    ),
    Decision(
        title="A sales rep's laptop",
        decision="A browser on which several accounts signed in brings a lead to none once somebody else was seen.",
        why="The representative signs in for customers; the browser is theirs, not a customer's.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", handl="laptop", emails=(ANNA,)),
            Event(id=2, occurred_at=at(2), account="bob", handl="laptop"),
            Event(id=3, occurred_at=at(3), leads=("50",), handl="laptop", emails=(CLARA,)),
            Event(id=4, occurred_at=at(4), handl="laptop"),
            Event(id=5, occurred_at=at(5), leads=("51",), handl="laptop"),
            Event(id=6, occurred_at=at(6), account="bob"),
        ),
        expected={
            1: of("anna", 1, external_id=("account:anna", "handl:laptop")),
            2: of("bob", 2, 6, external_id=("account:bob", "handl:laptop")),
            3: of(None, 3, stranger=True),
            4: of(None, 4, stranger=True),
            5: of(None, 5, stranger=True),
            6: of("bob", 2, 6, external_id=("account:bob",)),
        },
    ),
    Decision(
        title="Two accounts on one browser, one after the other",
        decision="Page views, and leads without address and phone, belong to the account that signed in last before them.",
        why="Nobody else was seen since; the browser's handlID goes out only with the events that carry it.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", handl="h"),
            Event(id=2, occurred_at=at(2), handl="h"),
            Event(id=3, occurred_at=at(3), leads=("7",), handl="h", traits={"first_name": "Anna"}),
            Event(id=4, occurred_at=at(4), leads=("7",), handl="h"),
            Event(id=5, occurred_at=at(5), account="bob", handl="h"),
            Event(id=6, occurred_at=at(6), handl="h"),
            Event(id=7, occurred_at=at(7), account="anna"),
        ),
        expected={
            1: of("anna", 1, 2, 3, 4, 7, first_name=3, external_id=("account:anna", "handl:h", "lead:7")),
            2: of("anna", 1, 2, 3, 4, 7, first_name=3),
            3: of("anna", 1, 2, 3, 4, 7),
            4: of("anna", 1, 2, 3, 4, 7, first_name=3),
            5: of("bob", 5, 6, external_id=("account:bob", "handl:h")),
            6: of("bob", 5, 6),
            7: of("anna", 1, 2, 3, 4, 7, first_name=3, external_id=("account:anna", "lead:7")),
        },
    ),
    Decision(
        title="A trade fair's tablet with silent events between",
        decision="Visitors who fill in forms on one tablet stay apart, and what happens between the forms is nobody's.",
        why="Twelve visitors share one handlID, one _fbp and one address of the network.",
        events=(
            Event(id=1, occurred_at=at(0), handl="tablet"),
            Event(
                id=2,
                occurred_at=at(1),
                leads=("101",),
                handl="tablet",
                emails=(ANNA,),
                fbp="fbp",
                fbc="c",
                ga_client_id="1.1",
            ),
            Event(id=3, occurred_at=at(2), handl="tablet", url="https://example.com/stand"),
            Event(id=4, occurred_at=at(3), leads=("102",), handl="tablet", emails=(BOB,), phones=(PHONE,)),
            Event(id=5, occurred_at=at(4), handl="tablet"),
            Event(id=6, occurred_at=at(99), account="anna", emails=(ANNA,)),
        ),
        expected={
            1: of(None, 1, stranger=True),
            2: of("anna", 2, 6, external_id=("account:anna", "handl:tablet", "lead:101")),
            3: of(None, 3, stranger=True),
            4: of(None, 4, external_id=("handl:tablet", "lead:102")),
            5: of(None, 5, stranger=True),
            6: of("anna", 2, 6, external_id=("account:anna", "lead:101"), client_id="account:anna"),
        },
    ),
    Decision(
        title="A lead on the browser of an account without contact data",
        decision="A lead with an address joins the account of its browser if that has no address or phone and nobody else is near.",
        why="A trial account without an address is completed by the form that its only user fills in.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", handl="h"),
            Event(id=2, occurred_at=at(2), leads=("7",), handl="h", emails=(ANNA,)),
        ),
        expected={
            1: of("anna", 1, 2, email=2, external_id=("account:anna", "handl:h", "lead:7")),
            2: of("anna", 1, 2),
        },
    ),
    Decision(
        title="Two leads on the browser of an account without contact data",
        decision="If two people could be the account's, neither is.",
        why="At most one of them is, and nothing says which.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", handl="h"),
            Event(id=2, occurred_at=at(2), leads=("7",), handl="h", emails=(ANNA,)),
            Event(id=3, occurred_at=at(3), account="anna", handl="i"),
            Event(id=4, occurred_at=at(4), leads=("8",), handl="i", emails=(BOB,)),
        ),
        expected={
            1: of("anna", 1, 3, external_id=("account:anna", "handl:h")),
            2: of(None, 2, stranger=True),
            3: of("anna", 1, 3, external_id=("account:anna", "handl:i")),
            4: of(None, 4, stranger=True),
        },
    ),
    Decision(
        title="Two leads on one browser of an account without contact data",
        decision="A lead with an address joins no account if anybody else was seen on the browser.",
        why="Either of the two may be the account's user.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", handl="h"),
            Event(id=2, occurred_at=at(2), leads=("7",), handl="h", emails=(ANNA,)),
            Event(id=3, occurred_at=at(3), leads=("8",), handl="h"),
        ),
        expected={
            1: of("anna", 1, external_id=("account:anna", "handl:h")),
            2: of(None, 2, stranger=True),
            3: of(None, 3, stranger=True),
        },
    ),
    Decision(
        title="A lead on the browsers of two accounts",
        decision="A lead whose browsers name two accounts belongs to neither.",
        why="A browser speaks for a person as a whole, or not at all.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", handl="h"),
            Event(id=2, occurred_at=at(2), account="bob", handl="i"),
            Event(id=3, occurred_at=at(3), leads=("7",), handl="h"),
            Event(id=4, occurred_at=at(4), leads=("7",), handl="i"),
        ),
        expected={
            1: of("anna", 1),
            2: of("bob", 2),
            3: of(None, 3, 4, stranger=True, external_id=("handl:h", "lead:7")),
            4: of(None, 3, 4, stranger=True, external_id=("handl:i", "lead:7")),
        },
    ),
)

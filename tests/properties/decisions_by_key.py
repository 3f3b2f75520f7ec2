"""Decisions that the keys of events make: accounts, leads, addresses and phones. Written by hand from the rules."""

from __future__ import annotations

from tests.properties.decision import Decision, of
from tests.properties.histories import at
from tests.properties.person_oracle import Event

WORK, HOME, TYPO, BOB = "anna@work.example", "anna@home.example", "anna@exmaple.com", "bob@example.com"
PHONE = "+49301234"

BY_KEY = (
    Decision(
        title="One person on two devices",
        decision="An e-mail address connects a person's devices: what the phone knew goes out with the desk's purchase.",
        why="The address is the strongest identifier that lasts across devices.",
        events=(
            Event(id=1, occurred_at=at(1), leads=("7",), handl="m", emails=(HOME,), phones=(PHONE,), fbc="c", fbp="m"),
            Event(id=2, occurred_at=at(30), account="anna", handl="desk", emails=(HOME,), fbp="d", ga_client_id="1.1"),
            Event(id=3, occurred_at=at(31), account="anna"),
        ),
        expected={
            1: of("anna", 1, 2, 3, external_id=("account:anna", "handl:desk", "handl:m", "lead:7"), client_id="1.1"),
            2: of("anna", 1, 2, 3, phone=1, fbc=1, user_id="account:anna", client_id="1.1"),
            3: of("anna", 1, 2, 3, email=2, phone=1, fbc=1, fbp=2, user_id="account:anna", client_id="1.1"),
        },
    ),
    Decision(
        title="Two addresses in one event",
        decision="Without an account, two addresses given together are known again by one of them (the smaller hash) only.",
        why="Following every address further would chain people together; an account, or the same address, brings them back.",
        events=(
            Event(id=1, occurred_at=at(1), leads=("7",), emails=(HOME, WORK), traits={"first_name": "Anna"}),
            Event(id=2, occurred_at=at(2), emails=(WORK,)),
            Event(id=3, occurred_at=at(3), emails=(HOME,)),
        ),
        expected={
            1: of(None, 1, 2, external_id=("lead:7",), user_id="lead:7"),
            2: of(None, 1, 2, first_name=1, external_id=("lead:7",)),
            3: of(None, 3, external_id=()),
        },
    ),
    Decision(
        title="Two addresses in one event, one of them the account's",
        decision="If an account has one of two addresses that were given together, the events of both belong to it.",
        why="One event said that both are one person, another that one of them is the account's.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", emails=(WORK,)),
            Event(id=2, occurred_at=at(2), leads=("7",), emails=(HOME, WORK), traits={"first_name": "Anna"}),
            Event(id=3, occurred_at=at(3), emails=(HOME,)),
        ),
        expected={
            1: of("anna", 1, 2, 3, first_name=2),
            2: of("anna", 1, 2, 3),
            3: of("anna", 1, 2, 3, first_name=2),
        },
    ),
    Decision(
        title="Two addresses given apart",
        decision="Two addresses given in two events are two people, even under one lead, until an account says otherwise.",
        why="A lead may be forwarded to a colleague; nothing but the lead says that the addresses belong together.",
        events=(
            Event(id=1, occurred_at=at(1), leads=("7",), emails=(WORK,), traits={"first_name": "Anna"}),
            Event(id=2, occurred_at=at(2), leads=("7",), emails=(HOME,)),
            Event(id=3, occurred_at=at(3), leads=("7",)),
        ),
        expected={1: of(None, 1), 2: of(None, 2), 3: of(None, 3, external_id=("lead:7",))},
    ),
    Decision(
        title="Two addresses given apart, one of them the account's",
        decision="The lead leads to the account, one step far; the second address by itself stays somebody else.",
        why="Each further step is another guess: a chain of three connects nothing.",
        events=(
            Event(id=1, occurred_at=at(1), leads=("7",), emails=(WORK,), traits={"first_name": "Anna"}),
            Event(id=2, occurred_at=at(2), leads=("7",), emails=(HOME,)),
            Event(id=3, occurred_at=at(3), account="anna", emails=(WORK,)),
            Event(id=4, occurred_at=at(4), emails=(HOME,)),
        ),
        expected={
            1: of("anna", 1, 2, 3),
            2: of("anna", 1, 2, 3, first_name=1),
            3: of("anna", 1, 2, 3, first_name=1, external_id=("account:anna", "lead:7")),
            4: of(None, 4, external_id=()),
        },
    ),
    Decision(
        title="A typo corrected in a second form",
        decision="A second form with another address is another person, even with the same phone and browser.",
        why="Colleagues and families share phones and browsers; the match is lost rather than two people mixed.",
        events=(
            Event(id=1, occurred_at=at(1), leads=("7",), handl="h", emails=(TYPO,), phones=(PHONE,)),
            Event(id=2, occurred_at=at(1.1), leads=("8",), handl="h", emails=(HOME,), phones=(PHONE,)),
        ),
        expected={1: of(None, 1, external_id=("handl:h", "lead:7")), 2: of(None, 2, external_id=("handl:h", "lead:8"))},
    ),
    Decision(
        title="A typo corrected under the same lead",
        decision="Once the CRM ties the lead to an account, both forms are the account's, and the newest address goes further.",
        why="The CRM itself says that the lead is the account; each event keeps the address that it was recorded with.",
        events=(
            Event(id=1, occurred_at=at(1), leads=("7",), emails=(TYPO,)),
            Event(id=2, occurred_at=at(2), leads=("7",), emails=(HOME,)),
            Event(id=3, occurred_at=at(24), account="anna", leads=("7",)),
        ),
        expected={1: of("anna", 1, 2, 3), 2: of("anna", 1, 2, 3), 3: of("anna", 1, 2, 3, email=2)},
    ),
    Decision(
        title="A switchboard's phone",
        decision="A phone that two people with an account or address have connects nobody.",
        why="An office's number is nobody's in particular.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", emails=(WORK,), phones=(PHONE,)),
            Event(id=2, occurred_at=at(2), account="bob", emails=(BOB,), phones=(PHONE,)),
            Event(id=3, occurred_at=at(3), leads=("9",), phones=(PHONE,)),
            Event(id=4, occurred_at=at(4), phones=(PHONE,)),
        ),
        expected={1: of("anna", 1), 2: of("bob", 2), 3: of(None, 3), 4: of(None, 4)},
    ),
    Decision(
        title="Phone first, e-mail later",
        decision="A phone without an address joins the only person who has that phone.",
        why="With a single candidate the number is as good as an address.",
        events=(
            Event(id=1, occurred_at=at(1), leads=("7",), phones=(PHONE,), traits={"first_name": "Anna"}),
            Event(id=2, occurred_at=at(2), leads=("8",), emails=(HOME,), phones=(PHONE,)),
            Event(id=3, occurred_at=at(3), phones=(PHONE,)),
        ),
        expected={
            1: of(None, 1, 2, 3, email=2, user_id="lead:7"),
            2: of(None, 1, 2, 3, first_name=1, user_id="lead:8"),
            3: of(None, 1, 2, 3, email=2, first_name=1, external_id=("lead:8", "lead:7")),
        },
    ),
    Decision(
        title="A lead that the CRM later ties to an account",
        decision="Everything recorded with the lead, before and after, belongs to the account.",
        why="An event that carries a lead and an account says that they are one person.",
        events=(
            Event(id=1, occurred_at=at(1), leads=("42",), emails=(HOME,), phones=(PHONE,)),
            Event(id=2, occurred_at=at(2), leads=("42",)),
            Event(id=3, occurred_at=at(24), account="anna", leads=("42",)),
            Event(id=4, occurred_at=at(720), account="anna"),
        ),
        expected={
            1: of(
                "anna", 1, 2, 3, 4, external_id=("account:anna", "lead:42"), user_id="account:anna", client_id="lead:42"
            ),
            2: of("anna", 1, 2, 3, 4, email=1, phone=1),
            3: of("anna", 1, 2, 3, 4, email=1, phone=1),
            4: of(
                "anna", 1, 2, 3, 4, email=1, phone=1, external_id=("account:anna", "lead:42"), client_id="account:anna"
            ),
        },
    ),
    Decision(
        title="A lead that two accounts claim",
        decision="A lead recorded with two accounts is neither's; it goes out only with the events that carry it.",
        why="One of the two is wrong, and nothing says which.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", leads=("42",)),
            Event(id=2, occurred_at=at(2), account="bob", leads=("42",)),
            Event(id=3, occurred_at=at(3), leads=("42",)),
            Event(id=4, occurred_at=at(4), account="anna"),
        ),
        expected={
            1: of("anna", 1, 4, external_id=("account:anna", "lead:42")),
            2: of("bob", 2, external_id=("account:bob", "lead:42")),
            3: of(None, 3, external_id=("lead:42",)),
            4: of("anna", 1, 4, external_id=("account:anna",)),
        },
    ),
    Decision(
        title="A lead that two accounts claim, beside the address of one",
        decision="The lead is ignored, and the address alone decides.",
        why="A contested key connects nobody; it does not contest the keys beside it.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", leads=("42",), emails=(HOME,)),
            Event(id=2, occurred_at=at(2), account="bob", leads=("42",)),
            Event(id=3, occurred_at=at(3), leads=("42",), emails=(HOME,), phones=(PHONE,)),
        ),
        expected={1: of("anna", 1, 3, phone=3), 2: of("bob", 2), 3: of("anna", 1, 3)},
    ),
    Decision(
        title="Addresses of two accounts in one event",
        decision="An event whose keys point to two accounts belongs to neither and borrows nothing.",
        why="Either choice would give one customer's data to another.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", emails=(WORK,), phones=(PHONE,)),
            Event(id=2, occurred_at=at(2), account="bob", emails=(BOB,)),
            Event(id=3, occurred_at=at(3), emails=(WORK, BOB)),
        ),
        expected={1: of("anna", 1), 2: of("bob", 2), 3: of(None, 3)},
    ),
    Decision(
        title="One lead under the addresses of two accounts",
        decision="Each event belongs to the account of its own address, and the lead by itself to neither.",
        why="What stands beside a key in its own event is nearer than what stood beside it elsewhere.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", emails=(WORK,)),
            Event(id=2, occurred_at=at(2), account="bob", emails=(BOB,)),
            Event(id=3, occurred_at=at(3), leads=("7",), emails=(BOB,)),
            Event(id=4, occurred_at=at(4), leads=("7",), emails=(WORK,)),
            Event(id=5, occurred_at=at(5), leads=("7",)),
        ),
        expected={
            1: of("anna", 1, 4, external_id=("account:anna",)),
            2: of("bob", 2, 3, external_id=("account:bob",)),
            3: of("bob", 2, 3, external_id=("account:bob", "lead:7")),
            4: of("anna", 1, 4, external_id=("account:anna", "lead:7")),
            5: of(None, 5),
        },
    ),
    Decision(
        title="Phones of two people in one event",
        decision="An event whose phones belong to two people belongs to neither.",
        why="Either choice would be a guess.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", emails=(WORK,), phones=(PHONE,)),
            Event(id=2, occurred_at=at(2), account="bob", emails=(BOB,), phones=("+49305678",)),
            Event(id=3, occurred_at=at(3), leads=("9",), phones=(PHONE, "+49305678")),
        ),
        expected={1: of("anna", 1), 2: of("bob", 2), 3: of(None, 3)},
    ),
    Decision(
        title="An office's address",
        decision="An address that two accounts have connects nobody, and the leads recorded with it stay apart.",
        why="`info@` is an office, not a person.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", emails=(WORK, "info@work.example")),
            Event(id=2, occurred_at=at(2), account="bob", emails=(BOB, "info@work.example")),
            Event(id=3, occurred_at=at(3), leads=("8",), emails=("info@work.example",)),
            Event(id=4, occurred_at=at(4), leads=("9",), emails=("info@work.example",)),
        ),
        expected={1: of("anna", 1), 2: of("bob", 2), 3: of(None, 3), 4: of(None, 4)},
    ),
)

"""Decisions about how keys and clicks are read: spelling, numbers, limits, age. Written by hand from the rules."""

from __future__ import annotations

from tests.properties.decision import Decision, of
from tests.properties.histories import at
from tests.properties.person_oracle import Event

BY_READING = (
    Decision(
        title="Upper case, dots and tags in one address",
        decision="Case and blanks make no difference; a dot or a tag makes another address, and so another person.",
        why="Only some mail providers ignore dots and tags, and Meta hashes them as they are.",
        events=(
            Event(id=1, occurred_at=at(1), account="anna", emails=("Anna.Berg@Gmail.com ",)),
            Event(id=2, occurred_at=at(2), emails=("anna.berg@gmail.com",)),
            Event(id=3, occurred_at=at(3), emails=("annaberg@gmail.com",)),
            Event(id=4, occurred_at=at(4), emails=("anna.berg+news@gmail.com",)),
        ),
        expected={1: of("anna", 1, 2), 2: of("anna", 1, 2), 3: of(None, 3), 4: of(None, 4)},
    ),
    Decision(
        title="Lead 42 and account 42",
        decision="The same number as a lead and as an account is two people, two external ids, two GA4 users and two clients.",
        why="A CRM numbers its leads and its accounts separately.",
        events=(
            Event(id=1, occurred_at=at(1), account="42", emails=("anna@example.com",)),
            Event(id=2, occurred_at=at(2), leads=("42",), emails=("bob@example.com",)),
        ),
        expected={
            1: of("42", 1, external_id=("account:42",), user_id="account:42", client_id="account:42"),
            2: of(None, 2, external_id=("lead:42",), user_id="lead:42", client_id="lead:42"),
        },
    ),
    Decision(
        title="Old and new clicks",
        decision="A person's newest click goes out with later events for less than 90 days, and with no earlier event.",
        why="An advertisement is not the reason for what happened before it was clicked, or long after.",
        events=(
            Event(id=1, occurred_at=at(0), account="anna"),
            Event(id=2, occurred_at=at(24), account="anna", fbc="first"),
            Event(id=3, occurred_at=at(48), account="anna", fbc="second"),
            Event(id=4, occurred_at=at(72), account="anna", fbc="first"),
            Event(id=5, occurred_at=at(24 * 91), account="anna"),
            Event(id=6, occurred_at=at(24 * 92), account="anna"),
        ),
        expected={
            **{n: of("anna", *range(1, 7)) for n in (1, 2, 3, 4, 6)},
            5: of("anna", *range(1, 7), fbc=3),
        },
    ),
    Decision(
        title="A test lead",
        decision="A key that stands in more than 32 combinations with other keys connects nobody any more.",
        why="No person has so many addresses; an office or a test does.",
        events=(
            *(Event(id=n, occurred_at=at(n), leads=("0815",), emails=(f"{n}@example.com",)) for n in range(1, 34)),
            Event(id=34, occurred_at=at(34), leads=("0815",), traits={"first_name": "One"}),
            Event(id=35, occurred_at=at(35), leads=("0815",), traits={"city": "Two"}),
        ),
        expected={n: of(None, n, external_id=("lead:0815",)) for n in range(1, 36)},
    ),
    Decision(
        title="An account with 45 browsers",
        decision="An account is never too large, and its newest browsers come first.",
        why="Only an account is a key that the CRM itself vouches for.",
        events=(
            *(Event(id=n, occurred_at=at(24 * n), account="anna", handl=f"b{n}") for n in range(1, 46)),
            Event(id=46, occurred_at=at(24 * 46), account="anna"),
        ),
        expected={
            n: of("anna", *range(1, 47), external_id=("account:anna", *(f"handl:b{b}" for b in range(45, 0, -1))))
            for n in range(1, 47)
        },
    ),
)

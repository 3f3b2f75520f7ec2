"""One row of the table of decisions: what a CRM recorded, and what must become of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from tests.properties.person_oracle import Event

GRANTED = {"ad_user_data": "granted", "ad_storage": "granted"}
DENIED = {"ad_user_data": "denied", "ad_storage": "denied"}


@dataclass(frozen=True, kw_only=True)
class Expected:
    account: str | None
    person: frozenset[int]  # the events of one person, this one among them
    borrowed: Mapping[str, int]  # every field that it takes from another event, and which
    stranger: bool
    refused: bool
    external_id: tuple[str, ...] | None  # in order, as "kind:value"; None where the row is about something else
    user_id: str | None
    client_id: str | None  # a real one, or the key that it is derived from; None where the row is about something else


@dataclass(frozen=True, kw_only=True)
class Decision:
    title: str
    decision: str  # one sentence, for the documentation
    why: str
    events: tuple[Event, ...]  # addresses as they were typed
    expected: Mapping[int, Expected]


def of(
    account: str | None,
    *person: int,
    stranger: bool = False,
    refused: bool = False,
    external_id: tuple[str, ...] | None = None,
    user_id: str | None = None,
    client_id: str | None = None,
    **borrowed: int,
) -> Expected:
    return Expected(
        account=account,
        person=frozenset(person),
        borrowed=borrowed,
        stranger=stranger,
        refused=refused,
        external_id=external_id,
        user_id=user_id,
        client_id=client_id,
    )


def sealed(events: Iterable[Event]) -> list[Event]:
    """Return the events with their addresses as hashes, of which rule 2 takes the smallest."""
    return [
        replace(event, emails=tuple(sha256(email.strip().lower().encode()).hexdigest() for email in event.emails))
        for event in events
    ]

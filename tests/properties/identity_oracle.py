"""What identity means, told once more over the whole log, slowly and plainly: what the tables must come to.

Each question is answered by going through all events; nothing is folded or indexed.

    owner      whose an event is, by when accounts signed in
    lends_to   to whom an event lends, by no time in particular: the one person that all its keys point to
    lenders    the events that lend to an event
    person     what is known of an event's person

A person is an account's, or nobody's (""). A key is ("handl", …) or ("lead", …).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from msgspec.structs import replace

from dispatcher.models import Event

CROWD = 32
MOST_KEYS = 10
NOBODY = ""

Key = tuple[str, str]

TRAITS = {
    "meta": ("em", "ph", "fn", "ln", "ct", "st", "zp", "country", "db", "ge"),
    "google": ("sha256_email_address", "sha256_phone_number"),
}
# A browser's values that are lent together: by an event that has one of the first group, to one that has none at all.
BROWSER = {
    "fbp": (("fbp",), ("fbp",)),
    "fbc": (("fbc", "fbclid"), ("fbc", "fbclid", "fbclid_at")),
    "agent": (("user_agent",), ("user_agent", "ip")),
    "url": (("url",), ("url", "referrer")),
    "ga_client_id": (("ga_client_id",), ("ga_client_id",)),
}
CONSENTS = ("ad_user_data", "ad_personalization")


@dataclass
class Person:
    """What is known of an event's person."""

    account_id: str
    keys: tuple[str, ...]
    earliest_key: str | None
    meta: dict[str, Any]
    google: dict[str, Any]
    country: str | None
    visitor: dict[str, Any]
    visited_at: datetime
    consent: dict[str, Any]


class Log:
    """All events that ever happened."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = sorted(events, key=when)
        # A crowd is long: these two are worked out once.
        self.crowded = {key for key in all_keys(self.events) if len(self.combinations(key)) > CROWD}
        self.persons: dict[tuple[str, str, str], str | None] = {}

    def combinations(self, key: Key) -> set[tuple[str, str, str]]:
        """The combinations in which a key is carried. In a crowd of them it does not say who somebody is."""
        return {combination(event) for event in self.events if key in keys(event)}

    def owner(self, event: Event) -> str:
        """Its own account; else the one that signed in on one of its keys; else the one that did on a key between."""
        return account(event) or self.signed_in(keys(event), event) or self.signed_in(self.between(event), event)

    def signed_in(self, on: set[Key], event: Event) -> str:
        """The account that signed in on one of these keys: the last before the event, else the first after it."""
        sign_ins = [other for other in self.events if account(other) and keys(other) & on]
        before = [other for other in sign_ins if when(other) < when(event)]
        return account((before[-1:] or sign_ins[:1] or [event])[0])

    def between(self, event: Event) -> set[Key]:
        """The other keys of events without an account that share a key with it. Crowded ones do not count."""
        near = [other for other in self.events if not account(other) and keys(other) & keys(event) - self.crowded]
        return all_keys(near) - keys(event) - self.crowded

    def lends_to(self, event: Event) -> str | None:
        """The person that all its keys point to, at whatever time; None: there are several, or nobody can tell."""
        if combination(event) not in self.persons:
            self.persons[combination(event)] = self.points_to(event)
        return self.persons[combination(event)]

    def points_to(self, event: Event) -> str | None:
        if account(event):
            return account(event)
        if keys(event) & self.crowded:
            return None
        accounts = self.accounts(keys(event)) or self.accounts(self.between(event))
        return None if len(accounts) > 1 else max(accounts, default=NOBODY)

    def accounts(self, on: set[Key]) -> set[str]:
        """All accounts that ever signed in on one of these keys."""
        return {account(other) for other in self.events if account(other) and keys(other) & on}

    def lenders(self, event: Event) -> list[Event]:
        """The events that lend to it, the most recent last."""
        owner = self.owner(event)
        if not owner:
            near = keys(event) - self.crowded
            return [other for other in self.events if keys(other) & near and self.lends_to(other) == NOBODY]
        own = [self.looked_at(other) for other in self.events if account(other) == owner]
        others = [other for other in self.events if not account(other) and self.lends_to(other) == owner]
        direct = [other for other in others if keys(other) & all_keys(own)]
        beside = [other for other in others if keys(other) & all_keys(direct)]
        return sorted({other.id: other for other in (*own, *direct, *beside)}.values(), key=when)

    def looked_at(self, event: Event) -> Event:
        """An account's event; of an account with a crowd of keys, only some are looked at, and others pass for none."""
        all_of_them = {combination(other) for other in self.events if account(other) == account(event)}
        some = sorted({*all_of_them, (account(event), "", "")})[:CROWD]
        return event if combination(event) in some else replace(event, handl_id=None, lead_id=None)

    def person(self, event: Event) -> Person:
        """What is known of its person: what it tells itself, and what it lacks from the most recent that lends it."""
        lenders = self.lenders(event)
        sealed = event.sealed or {}
        known = Person(
            account_id=self.owner(event),
            keys=tuple(self.external_ids(event, lenders)),
            earliest_key=self.earliest_key(event, lenders),
            meta=dict(sealed.get("meta") or {}),
            google=dict(sealed.get("google") or {}),
            country=sealed.get("country"),
            visitor=dict(event.visitor or {}),
            visited_at=event.occurred_at,
            consent=dict(event.consent or {}),
        )
        for kind in CONSENTS:
            if not stated(event, kind) and (told := latest(other for other in lenders if stated(other, kind))):
                known.consent[kind] = stated(told, kind)
        last_word = latest(other for other in (*lenders, event) if stated(other, "ad_user_data"))
        refuses = known.consent.get("ad_user_data") == "denied" or (last_word is not None and denies(last_word))
        lending = [other for other in lenders if not denies(other)]
        if not refuses:
            borrow_traits(known, lending)
        borrow_browser(known, event, lending, ["ga_client_id"] if refuses else BROWSER)
        return known

    def external_ids(self, event: Event, lenders: Sequence[Event]) -> Iterator[str]:
        """The account; then handlIDs, then leads: the event's own, then the person's, newest first."""
        if owner := self.owner(event):
            yield owner
        newest_first = [key for other in reversed(lenders) for key in keys(other) if self.is_only(key, event)]
        for kind in ("handl", "lead"):
            chosen = [value for key, value in (*keys(event), *newest_first) if key == kind]
            yield from islice(dict.fromkeys(chosen), MOST_KEYS)

    def earliest_key(self, event: Event, lenders: Sequence[Event]) -> str | None:
        """The key under which the person was first seen, a handlID before a lead; else the account, or its own key."""
        found = [value for other in lenders for key, value in sorted(keys(other)) if self.is_only((key, value), event)]
        return found[0] if found else self.owner(event) or event.handl_id or event.lead_id

    def is_only(self, key: Key, event: Event) -> bool:
        """Whether nobody but the event's person uses a key, so that it may stand for them."""
        users = {self.lends_to(other) for other in self.events if key in keys(other)}
        return key not in self.crowded and users <= {self.owner(event), NOBODY}


def facets(events: Iterable[Event]) -> dict[tuple[str, str, str], dict[str, tuple[int, int]]]:
    """What the log folds into: for each combination of keys, and for each account alone, who told each field last."""
    events = list(events)
    found = {combination(event) for event in events} | {(account(event), "", "") for event in events}
    return {
        keys: told_last([e for e in events if keys in (combination(e), (account(e), "", ""))])
        for keys in found
        if any(keys)
    }


def told_last(events: Sequence[Event]) -> dict[str, tuple[int, int]]:
    fields = {field for event in events for field in lent(event)}
    last = {field: latest(event for event in events if field in lent(event)) for field in fields}
    first = min(events, key=when)
    told = {field: (micros(event), event.id) for field, event in last.items()}
    return told | {"first": (-micros(first), -first.id)}


def lent(event: Event) -> set[str]:
    """The fields that an event lends; one that denies consent lends nothing but that."""
    fields = {kind for kind in CONSENTS if stated(event, kind)}
    if not denies(event):
        fields |= {name for form, names in TRAITS.items() for name in names if trait(event, form, name)}
        fields |= {field for field, (wanted, _) in BROWSER.items() if has(event, wanted)}
    return {"seen", *fields}


def micros(event: Event) -> int:
    return (event.occurred_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def borrow_traits(known: Person, lending: Sequence[Event]) -> None:
    for form, names in TRAITS.items():
        traits = getattr(known, form)
        for name in names:
            told = latest(other for other in lending if trait(other, form, name))
            if told and not traits.get(name):
                traits[name] = trait(told, form, name)
                if name == "country" and known.country is None:
                    known.country = told.sealed.get("country")


def borrow_browser(known: Person, event: Event, lending: Sequence[Event], fields: Iterable[str]) -> None:
    """Borrow what a browser tells, from the event's own browser if that told it, else from another of the person's."""
    own_browser = [other for other in lending if other.handl_id and other.handl_id == event.handl_id]
    for field in fields:
        wanted, together = BROWSER[field]
        told = latest(other for other in own_browser if has(other, wanted))
        told = told or latest(other for other in lending if has(other, wanted))
        if told and not has(event, together):
            known.visitor |= {name: told.visitor[name] for name in together if name in told.visitor}
            if field == "fbc":
                known.visited_at = told.occurred_at


def when(event: Event) -> tuple[datetime, int]:
    """The log's order."""
    return event.occurred_at, event.id


def latest(events: Iterable[Event]) -> Event | None:
    return max(events, key=when, default=None)


def account(event: Event) -> str:
    return event.account_id or NOBODY


def keys(event: Event) -> set[Key]:
    return {(kind, key) for kind, key in (("handl", event.handl_id), ("lead", event.lead_id)) if key}


def all_keys(events: Iterable[Event]) -> set[Key]:
    return {key for event in events for key in keys(event)}


def combination(event: Event) -> tuple[str, str, str]:
    return account(event), event.handl_id or "", event.lead_id or ""


def trait(event: Event, form: str, name: str) -> Any:
    return ((event.sealed or {}).get(form) or {}).get(name)


def has(event: Event, names: Sequence[str]) -> bool:
    return any((event.visitor or {}).get(name) for name in names)


def stated(event: Event, kind: str) -> Any:
    return (event.consent or {}).get(kind)


def denies(event: Event) -> bool:
    return stated(event, "ad_user_data") == "denied"


def told(event: Event, form: str) -> dict[str, Any]:
    """The traits that an event tells itself."""
    return dict((event.sealed or {}).get(form) or {})

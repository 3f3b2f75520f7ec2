"""The rules of identity, written a second time over the whole log, slowly and plainly: what the tables must agree with.

Each method goes through all events; nothing is folded or indexed.

    owner          the account that an event belongs to, from sign-in history
    source_for     the person that an event is a source for, at any time: the one that all its keys point to
    sources        the events that an event may borrow from
    person         what is known of an event's person

A person has an account, or none (""). A key is ("handl", …) or ("lead", …).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from msgspec.structs import replace

from dispatcher.models import Event

KEY_LIMIT = 32
MAX_KEYS = 10
NOBODY = ""

Key = tuple[str, str]

TRAITS = {
    "meta": ("em", "ph", "fn", "ln", "ct", "st", "zp", "country", "db", "ge"),
    "google": ("sha256_email_address", "sha256_phone_number"),
}
# Browser values that are borrowed together: from an event that has one of the first group, by one that has none at all.
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
    """All events."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = sorted(events, key=when)
        # Keys over the limit have many events: these two are computed once.
        self.over_limit = {key for key in all_keys(self.events) if len(self.combinations(key)) > KEY_LIMIT}
        self.persons: dict[tuple[str, str, str], str | None] = {}

    def combinations(self, key: Key) -> set[tuple[str, str, str]]:
        """The combinations in which a key is carried. Over the limit it identifies nobody."""
        return {combination(event) for event in self.events if key in keys(event)}

    def owner(self, event: Event) -> str:
        """Its own account; else the one that signed in on one of its keys; else on a key one step away."""
        return account(event) or self.signed_in(keys(event), event) or self.signed_in(self.one_step_away(event), event)

    def signed_in(self, on: set[Key], event: Event) -> str:
        """The account that signed in on one of these keys: the last before the event, else the first after it."""
        sign_ins = [other for other in self.events if account(other) and keys(other) & on]
        before = [other for other in sign_ins if when(other) < when(event)]
        return account((before[-1:] or sign_ins[:1] or [event])[0])

    def one_step_away(self, event: Event) -> set[Key]:
        """The other keys of events without an account that share a key with it. Keys over the limit do not count."""
        near = [other for other in self.events if not account(other) and keys(other) & keys(event) - self.over_limit]
        return all_keys(near) - keys(event) - self.over_limit

    def source_for(self, event: Event) -> str | None:
        """The person that all its keys point to, at any time; None: several, or a key over the limit."""
        if combination(event) not in self.persons:
            self.persons[combination(event)] = self.find_person_of(event)
        return self.persons[combination(event)]

    def find_person_of(self, event: Event) -> str | None:
        if account(event):
            return account(event)
        if keys(event) & self.over_limit:
            return None
        accounts = self.accounts(keys(event)) or self.accounts(self.one_step_away(event))
        return None if len(accounts) > 1 else max(accounts, default=NOBODY)

    def accounts(self, on: set[Key]) -> set[str]:
        """All accounts that ever signed in on one of these keys."""
        return {account(other) for other in self.events if account(other) and keys(other) & on}

    def sources(self, event: Event) -> list[Event]:
        """The events that it may borrow from, the most recent last."""
        owner = self.owner(event)
        if not owner:
            near = keys(event) - self.over_limit
            return [other for other in self.events if keys(other) & near and self.source_for(other) == NOBODY]
        own = [self.as_read(other) for other in self.events if account(other) == owner]
        others = [other for other in self.events if not account(other) and self.source_for(other) == owner]
        direct = [other for other in others if keys(other) & all_keys(own)]
        beside = [other for other in others if keys(other) & all_keys(direct)]
        return sorted({other.id: other for other in (*own, *direct, *beside)}.values(), key=when)

    def as_read(self, event: Event) -> Event:
        """An account's event; of an account over the limit only some combinations are read, and other keys count as none."""
        combinations = {combination(other) for other in self.events if account(other) == account(event)}
        read = sorted({*combinations, (account(event), "", "")})[:KEY_LIMIT]
        return event if combination(event) in read else replace(event, handl_id=None, lead_id=None)

    def person(self, event: Event) -> Person:
        """What is known of its person: its own fields, and those that it lacks from the most recent source that has them."""
        sources = self.sources(event)
        sealed = event.sealed or {}
        person = Person(
            account_id=self.owner(event),
            keys=tuple(self.external_ids(event, sources)),
            earliest_key=self.earliest_key(event, sources),
            meta=dict(sealed.get("meta") or {}),
            google=dict(sealed.get("google") or {}),
            country=sealed.get("country"),
            visitor=dict(event.visitor or {}),
            visited_at=event.occurred_at,
            consent=dict(event.consent or {}),
        )
        for kind in CONSENTS:
            if not stated(event, kind) and (source := latest(other for other in sources if stated(other, kind))):
                person.consent[kind] = stated(source, kind)
        last_statement = latest(other for other in (*sources, event) if stated(other, "ad_user_data"))
        refuses = person.consent.get("ad_user_data") == "denied" or (
            last_statement is not None and denies(last_statement)
        )
        granting = [other for other in sources if not denies(other)]
        if not refuses:
            borrow_traits(person, granting)
        borrow_browser(person, event, granting, ["ga_client_id"] if refuses else BROWSER)
        return person

    def external_ids(self, event: Event, sources: Sequence[Event]) -> Iterator[str]:
        """The account; then handlIDs, then leads: the event's own, then the person's, newest first."""
        if owner := self.owner(event):
            yield owner
        newest_first = [key for other in reversed(sources) for key in keys(other) if self.is_only(key, event)]
        for kind in ("handl", "lead"):
            chosen = [value for key, value in (*keys(event), *newest_first) if key == kind]
            yield from islice(dict.fromkeys(chosen), MAX_KEYS)

    def earliest_key(self, event: Event, sources: Sequence[Event]) -> str | None:
        """The key under which the person was first seen, a handlID before a lead; else the account, or its own key."""
        found = [value for other in sources for key, value in sorted(keys(other)) if self.is_only((key, value), event)]
        return found[0] if found else self.owner(event) or event.handl_id or event.lead_id

    def is_only(self, key: Key, event: Event) -> bool:
        """Whether nobody but the event's person uses a key, so that it identifies them."""
        users = {self.source_for(other) for other in self.events if key in keys(other)}
        return key not in self.over_limit and users <= {self.owner(event), NOBODY}


def fragments(events: Iterable[Event]) -> dict[tuple[str, str, str], dict[str, tuple[int, int]]]:
    """What the log folds into: for each combination of keys, and for each account alone, the last event with each field."""
    events = list(events)
    found = {combination(event) for event in events} | {(account(event), "", "") for event in events}
    return {
        keys: newest_fields([e for e in events if keys in (combination(e), (account(e), "", ""))])
        for keys in found
        if any(keys)
    }


def newest_fields(events: Sequence[Event]) -> dict[str, tuple[int, int]]:
    fields = {field for event in events for field in fields_of(event)}
    last = {field: latest(event for event in events if field in fields_of(event)) for field in fields}
    first = min(events, key=when)
    newest = {field: (micros(event), event.id) for field, event in last.items()}
    return newest | {"first": (-micros(first), -first.id)}


def fields_of(event: Event) -> set[str]:
    """The fields that others can borrow from an event: only the refusal if it denies consent."""
    fields = {kind for kind in CONSENTS if stated(event, kind)}
    if not denies(event):
        fields |= {name for form, names in TRAITS.items() for name in names if trait(event, form, name)}
        fields |= {field for field, (any_of, _) in BROWSER.items() if has(event, any_of)}
    return {"seen", *fields}


def micros(event: Event) -> int:
    return (event.occurred_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def borrow_traits(person: Person, granting: Sequence[Event]) -> None:
    for form, names in TRAITS.items():
        traits = getattr(person, form)
        for name in names:
            source = latest(other for other in granting if trait(other, form, name))
            if source and not traits.get(name):
                traits[name] = trait(source, form, name)
                if name == "country" and person.country is None:
                    person.country = source.sealed.get("country")


def borrow_browser(person: Person, event: Event, granting: Sequence[Event], fields: Iterable[str]) -> None:
    """Borrow browser fields: from the event's own browser if it has them, else from another one of the person."""
    own_browser = [other for other in granting if other.handl_id and other.handl_id == event.handl_id]
    for field in fields:
        any_of, together = BROWSER[field]
        source = latest(other for other in own_browser if has(other, any_of))
        source = source or latest(other for other in granting if has(other, any_of))
        if source and not has(event, together):
            person.visitor |= {name: source.visitor[name] for name in together if name in source.visitor}
            if field == "fbc":
                person.visited_at = source.occurred_at


def when(event: Event) -> tuple[datetime, int]:
    """The position of an event in the log."""
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


def own_traits(event: Event, form: str) -> dict[str, Any]:
    """The traits that an event carries itself."""
    return dict((event.sealed or {}).get(form) or {})

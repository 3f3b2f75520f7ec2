"""What an event goes out with: the rules of identity (5, 6, 7 and 9) on top of `person_oracle.py`, just as naively.

`resolve(log)` returns everything that the rules say of each event: whose it is, its external_id, where each field comes
from, the consent that applies, and its client and user id at GA4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.properties.person_oracle import Event, Key, People, Person, canonical, keys, only_handl

SIGNALS = ("ad_user_data", "ad_personalization", "ad_storage", "analytics_storage")
VISITOR = ("fbp", "agent_ip", "url")  # from the person's own browser only
CLICK_AGE = timedelta(days=90)


@dataclass(frozen=True)
class Taken:
    value: Any
    event: int


@dataclass(frozen=True)
class ClientId:
    origin: str  # own, borrowed, derived or none
    value: str | None  # a real one, or "kind:value" of the key that it is derived from


@dataclass(frozen=True, kw_only=True)
class Outcome:
    account: str | None
    person: frozenset[int]  # the events of one person, this one among them
    stranger: bool
    external_id: tuple[Key, ...]
    fields: Mapping[str, Taken]  # a field that nobody can give is absent
    consent: Mapping[str, str]
    refused: bool
    sources: frozenset[int]  # the events that it may borrow from, and that may borrow from it
    client_id: ClientId
    user_id: Key | None


def resolve(log: Iterable[Event], default: str = "granted") -> dict[int, Outcome]:
    oracle = Oracle(People(log), default)
    return {event.id: oracle.outcome(event) for event in oracle.people.log}


class Oracle:
    def __init__(self, people: People, default: str):
        self.people = people
        self.default = default
        self.consent = {event.id: self._consent(event) for event in people.log}

    def outcome(self, event: Event) -> Outcome:
        person = self.people.person[event.id]
        return Outcome(
            account=str(person[1]) if person[0] == "account" else None,
            person=frozenset(other.id for other in self.mates(event)),
            stranger=self.people.stranger(event),
            external_id=self.external_id(event),
            fields=self.fields(event),
            consent=self.consent[event.id],
            refused=self.refused(event),
            sources=frozenset(other.id for other in self.sources(event)),
            client_id=self.client_id(event),
            user_id=self.user_id(event),
        )

    def mates(self, event: Event) -> list[Event]:
        return [other for other in self.people.log if self.people.person[other.id] == self.people.person[event.id]]

    def sources(self, event: Event) -> list[Event]:
        """Return the events that this one may borrow from, oldest first."""
        if self.refused(event):
            return []
        return [other for other in self.mates(event) if other.id != event.id and not self.refused(other)]

    def exclusive(self, key: Key, person: Person) -> bool:
        """Return whether nobody but this person was seen on a browser or lead."""
        return key not in self.people.shared and self.people.seen(key, self.people.person) <= {person}

    def on_own_browser(self, event: Event) -> bool:
        # CHOICE: without a handlID the browser is the person's; with one that others were seen on it is not, for the same browser either.
        return all(self.exclusive(handl, self.people.person[event.id]) for handl in keys(event, "handl"))

    # Consent

    def refused(self, event: Event) -> bool:
        return "denied" in (self.consent[event.id]["ad_user_data"], self.consent[event.id]["ad_storage"])

    def _consent(self, event: Event) -> dict[str, str]:
        return {signal: self._signal(event, signal) for signal in SIGNALS}

    def _signal(self, event: Event, signal: str) -> str:
        if stated := states(event, signal):
            return stated
        counting = [
            states(other, signal)
            for other in self.people.log
            if (states(other, signal) == "denied" and self.refusal_reaches(other, event))
            or (states(other, signal) == "granted" and self.permission_counts(other, event))
        ]
        return counting[-1] or self.default if counting else self.default

    def refusal_reaches(self, refusal: Event, event: Event) -> bool:
        people = self.people
        person = people.person[event.id]
        if people.person[refusal.id] == person:
            return True
        if not event.account and keys(refusal, "email", "lead", "handl") & keys(event):
            return True
        if refusal.account:
            return False
        # CHOICE: over a key above the limit it reaches events with an account too, if they carry it.
        if keys(refusal) & keys(event) & people.shared:
            return True
        for key in keys(refusal) - people.shared:
            # CHOICE: a person has a key also by a public event.
            holders = people.sign_ins(key) if key[0] == "handl" else [e for e in people.log if key in keys(e)]
            if person in {people.person[holder.id] for holder in holders}:
                return True
        return False

    def permission_counts(self, permission: Event, event: Event) -> bool:
        people = self.people
        person = people.person[event.id]
        if permission.public or people.person[permission.id] != person:
            return False
        if only_handl(permission):
            # CHOICE: where nobody was seen at all, the anonymous visitor is the only one.
            return person[0] != "account" and all(self.exclusive(handl, person) for handl in keys(permission))
        strong = {key for key in keys(permission, "lead", "email") if people.connects(key)} | keys(
            permission, "account"
        )
        if not any(other.emails for other in self.mates(event)):
            strong |= keys(permission, "phone") - people.shared
        # CHOICE: a person that joined an account by its browser gives permission for itself, not for the account.
        return bool(strong) and people.known[permission.id] in (person, people.known[event.id])

    # Identifiers and fields

    def external_id(self, event: Event) -> tuple[Key, ...]:
        person = self.people.person[event.id]
        found = dict.fromkeys(keys(event, "handl", "lead"), event.time)
        for other in self.sources(event):
            # CHOICE: a public event adds its browser, not its lead, to its person.
            for key in keys(other, "handl", "lead") if not other.public else keys(other, "handl"):
                if key in found or self.exclusive(key, person):
                    found[key] = max(other.time, found.get(key, other.time))
        # CHOICE: a refused event has only what it carries, the account too.
        account = keys(event, "account") if self.refused(event) or person[0] != "account" else {person}
        newest = sorted(sorted(found), key=lambda key: found[key], reverse=True)
        of_kind = [*account, *(key for kind in ("handl", "lead") for key in newest if key[0] == kind)]
        return tuple(dict.fromkeys((kind, str(value).strip().lower()) for kind, value in of_kind))

    def fields(self, event: Event) -> dict[str, Taken]:
        found = {}
        for name in sorted({name for other in self.people.log for name in values(other)}):
            if value := values(event).get(name):
                found[name] = Taken(value, event.id)
            elif source := self._source(event, name):
                found[name] = Taken(values(source)[name], source.id)
        return found

    def _source(self, event: Event, name: str) -> Event | None:
        having = [other for other in self.sources(event) if values(other).get(name)]
        if name in (*VISITOR, "fbc"):  # CHOICE: a click, too, comes from the person's own browser only
            having = [other for other in having if self.on_own_browser(other)]
        if name == "fbc":
            return self._click(event, having)
        return having[-1] if having else None

    def _click(self, event: Event, having: list[Event]) -> Event | None:
        # CHOICE: a click's time is that of the first event of the same person with it; of several clicks the newest is taken.
        first = {}
        for other in self.mates(event):
            first.setdefault(other.fbc, other)
        fresh = [
            other
            for other in having
            if other.time < event.time and event.occurred_at - first[other.fbc].occurred_at < CLICK_AGE
        ]
        return max(fresh, key=lambda other: first[other.fbc].time, default=None)  # of equals the oldest

    # GA4

    def client_id(self, event: Event) -> ClientId:
        if event.ga_client_id:
            return ClientId("own", event.ga_client_id)
        real = [
            other.ga_client_id
            for other in self.sources(event)
            # CHOICE: from the person's own browser, and none that may not go to GA4 itself.
            if other.ga_client_id
            and self.on_own_browser(other)
            and self.consent[other.id]["analytics_storage"] != "denied"
        ]
        if real:
            return ClientId("borrowed", real[-1])
        for kind in ("account", "lead", "handl"):
            if carried := keys(event, kind):
                return ClientId("derived", ":".join(min(carried)))
        return ClientId("none", None)

    def user_id(self, event: Event) -> Key | None:
        if self.refused(event):
            return None
        person = self.people.person[event.id]
        if person[0] == "account":
            return canonical(("account", str(person[1])))
        # CHOICE: the event's own lead, not another of its person.
        return min(keys(event, "lead"), default=None)


def states(event: Event, signal: str) -> str | None:
    """Return what an event itself says of a signal; a consent object that states none is a refusal of all."""
    if event.consent is None:
        return None
    return event.consent.get(signal) if set(event.consent) & set(SIGNALS) else "denied"


def values(event: Event) -> dict[str, Any]:
    """Return the fields of an event that others may borrow."""
    own = {"email": event.emails, "phone": event.phones, **event.traits}
    return own | {name: getattr(event, name) for name in (*VISITOR, "fbc")}

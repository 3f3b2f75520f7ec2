"""Whose an event is: the rules of identity (1, 2, 3 and 8) as the most naive program that keeps them.

It reads the whole log for every question and imports nothing of the product, so that it can judge the product. Where the
rules leave a choice, it takes the one that loses a match rather than mixes two people; each such choice is marked CHOICE.
`enrichment_oracle.py` goes on from here: what an event borrows and under which consent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

LIMIT = 32  # combinations with other keys, above which a key connects nobody

Key = tuple[str, str]  # ("lead", "42")
Person = tuple[str, str | int]  # the key that names it, ("browser", handl), or ("event", id): that event alone


@dataclass(frozen=True, kw_only=True)
class Event:
    id: int
    occurred_at: datetime
    source: str = ""
    account: str | None = None
    leads: tuple[str, ...] = ()
    handl: str | None = None
    emails: tuple[str, ...] = ()  # hashes
    phones: tuple[str, ...] = ()  # hashes
    traits: Mapping[str, str] = field(default_factory=dict)  # all but e-mail and phone
    fbp: str | None = None
    fbc: str | None = None
    agent_ip: tuple[str, str] | None = None
    url: str | None = None
    ga_client_id: str | None = None
    consent: Mapping[str, str] | None = None  # {} is a consent object that states no known signal
    public: bool = False

    def __post_init__(self):
        if self.public and self.account:
            raise ValueError("a public event carries no account")

    @property
    def time(self) -> tuple[datetime, int]:
        return self.occurred_at, self.id


def canonical(key: Key) -> Key:
    """Return the key that stands for this one. Merged accounts and leads, and sources, have their place here."""
    return key


def keys(event: Event, *kinds: str) -> set[Key]:
    return {canonical(key) for key in carried(event) if key[1] and (not kinds or key[0] in kinds)}


def carried(event: Event) -> list[tuple[str, str | None]]:
    several = {"lead": event.leads, "email": event.emails, "phone": event.phones}
    one_each = [("account", event.account), ("handl", event.handl)]
    return one_each + [(kind, value) for kind, values in several.items() for value in values]


def only_handl(event: Event) -> bool:
    return {kind for kind, _ in keys(event)} == {"handl"}


def alone(event: Event) -> Person:
    return ("event", event.id)


class People:
    """Who is who in a log. `known` is each event's person by its keys, `person` by its keys and its browser."""

    def __init__(self, log: Iterable[Event]):
        self.log = sorted({event.id: event for event in log}.values(), key=lambda event: event.time)
        self.facts = [event for event in self.log if not event.public]
        self._carriers: dict[Key, list[Event]] = {}
        for event in self.facts:
            for key in keys(event):
                self._carriers.setdefault(key, []).append(event)
        self.shared = {key for key in self._carriers if self._combinations(key) > LIMIT}
        self._named = {event.id: self._accounts_named(event) for event in self.facts}
        by_key = {event.id: self._by_key(event) for event in self.facts}
        self.known = {event.id: self._by_phone(by_key, event) for event in self.facts}
        self.known |= {event.id: self._leaf(event) for event in self.log if event.public}
        self.joined = self._joined()
        self.person = {event.id: self._whole(event) for event in self.log}

    def carrying(self, key: Key) -> list[Event]:
        """Return the events that are not public and carry a key, oldest first."""
        return self._carriers.get(key, [])

    # By the keys of what is not public

    def _combinations(self, key: Key) -> int:
        # CHOICE: every kind of key counts, browsers and phones too; a key that stands alone stands in no combination.
        return (
            0
            if key[0] == "account"
            else len({frozenset(keys(event) - {key}) for event in self.carrying(key)} - {frozenset()})
        )

    def accounts_beside(self, key: Key) -> set[Key]:
        return {account for event in self.carrying(key) for account in keys(event, "account")}

    def points_to(self, key: Key) -> tuple[int, set[Key]]:
        """Return the step at which a lead or e-mail finds accounts (1: beside it, 2: one event further), and those."""
        if key in self.shared:
            return 0, set()
        if near := self.accounts_beside(key):
            return 1, near
        # CHOICE: only leads and e-mails lead further, no phone and no browser; a contested neighbour contests this key too.
        neighbours = {other for event in self.carrying(key) for other in keys(event, "lead", "email")} - self.shared
        return 2, {account for other in neighbours for account in self.accounts_beside(other)}

    def connects(self, key: Key) -> bool:
        # CHOICE: a key contested at the second step does not even connect the events that carry it.
        return key not in self.shared and len(self.points_to(key)[1]) < 2

    def _accounts_named(self, event: Event) -> set[Key]:
        if event.account:
            return keys(event, "account")
        pointers = [self.points_to(key) for key in keys(event, "lead", "email")]
        sure = [(step, accounts) for step, accounts in pointers if len(accounts) == 1]
        nearest = min((step for step, _ in sure), default=0)
        return {account for step, accounts in sure for account in accounts if step == nearest}

    def _by_key(self, event: Event) -> Person:
        named = self._named[event.id]
        if named:
            # CHOICE: an event whose keys point to two accounts is one person with no other event.
            return min(named) if len(named) == 1 else alone(event)
        if emails := {key for key in keys(event, "email") if self.connects(key)}:
            return min(emails)
        if leads := {key for key in keys(event, "lead") if self.connects(key)}:
            # CHOICE: an e-mail that connects nobody counts too when the only one beside the lead is asked for.
            beside = {email for lead in leads for other in self.carrying(lead) for email in keys(other, "email")}
            return min(beside) if len(beside) == 1 and self.connects(min(beside)) else min(leads)
        return alone(event)

    def _by_phone(self, by_key: dict[int, Person], event: Event) -> Person:
        def strong(person: Person) -> bool:
            mine = [other for other in self.facts if by_key[other.id] == person]
            return person[0] in ("account", "email") or any(other.emails for other in mine)

        person = by_key[event.id]
        if strong(person) or self._named[event.id]:
            return person
        targets, free = set(), set()
        for mine in self.facts:
            for phone in keys(mine, "phone") - self.shared if by_key[mine.id] == person else ():
                holders = {by_key[other.id] for other in self.carrying(phone) if strong(by_key[other.id])}
                targets |= holders if len(holders) == 1 else set()
                free |= set() if holders else {phone}
        # CHOICE: phones that lead to two people lead nowhere, nor does one whose only holder is an event that stands alone.
        if targets:
            return min(targets) if len(targets) == 1 and min(targets)[0] != "event" else person
        # CHOICE: of several phones, as of several e-mails, the smallest names the person: no chain of phones connects.
        return min(free, default=person)

    # Public events

    def _leaf(self, event: Event) -> Person:
        # CHOICE: the first kind of key that it carries decides, whether or not anybody has it.
        for kind in ("email", "phone", "lead"):
            if not (carried := keys(event, kind)):
                continue
            usable = {key for key in carried if (key not in self.shared if kind == "phone" else self.connects(key))}
            holders = {self.known[other.id] for key in usable for other in self.carrying(key)}
            if len(holders) == 1 and min(holders)[0] != "event":
                return min(holders)
            # CHOICE: nobody else has the key: public events that share it are one person (a CRM with public forms only).
            return min(usable) if usable and not holders else alone(event)
        return alone(event)

    # By browser

    def sign_ins(self, handl: Key) -> list[Event]:
        return [event for event in self.carrying(handl) if event.account]

    def seen(self, key: Key, who: Mapping[int, Person]) -> set[Person]:
        """Return the persons seen on a browser or lead; those of public events only where nobody else was."""
        carriers = [event for event in self.log if key in keys(event) and not only_handl(event)]
        return {who[event.id] for event in carriers if not event.public} or {who[event.id] for event in carriers}

    def _joined(self) -> dict[Person, Person]:
        """Return the account that each person without one belongs to by its browsers."""
        candidates = {}
        for event in self.facts:
            person = self.known[event.id]
            # CHOICE: the browser does not speak for an event whose keys point to two accounts.
            if person[0] != "account" and not self._named[event.id] and not only_handl(event):
                candidates[person] = self._candidate(person)
        reachable = {person for person in candidates if self.has_contact(person)}
        rivals = [candidates[person] for person in reachable]
        return {
            person: account
            for person, account in candidates.items()
            if account and (person not in reachable or (not self.has_contact(account) and rivals.count(account) == 1))
        }

    def has_contact(self, person: Person) -> bool:
        mine = [event for event in self.facts if self.known[event.id] == person]
        return person[0] in ("email", "phone") or any(event.emails or event.phones for event in mine)

    def _candidate(self, person: Person) -> Person | None:
        named: set[Person | None] = set()
        for event in self.facts:
            for handl in keys(event, "handl") if self.known[event.id] == person else ():
                if not (sign_ins := self.sign_ins(handl)):
                    continue
                accounts = {self.known[other.id] for other in sign_ins}
                if handl in self.shared:
                    # CHOICE: a browser above the limit where somebody signed in names nobody, and that counts.
                    named.add(None)
                elif not self.has_contact(person):
                    named.add(self._nearest(event, handl, person))
                else:
                    seen = {self.known[other.id] for other in self.carrying(handl) if not only_handl(other)}
                    strangers = seen - accounts - {person}
                    named.add(None if strangers or len(accounts) > 1 else min(accounts))
        # CHOICE: one browser, or one event of a person, for which the answer is open leaves it open for the person.
        return named.pop() if len(named) == 1 else None

    def _nearest(self, event: Event, handl: Key, person: Person) -> Person | None:
        """Return the account that signed in last before the event, else first after, if nobody else was seen between."""
        before = [other for other in self.sign_ins(handl) if other.time < event.time]
        after = [other for other in self.sign_ins(handl) if other.time > event.time]
        sign_in = before[-1] if before else after[0]
        start, end = sorted((sign_in.time, event.time))
        # CHOICE: who was seen is asked by keys alone, so that somebody joined by the same browser is still somebody else.
        between = {
            self.known[other.id] for other in self.carrying(handl) if start < other.time < end and not only_handl(other)
        }
        account = self.known[sign_in.id]
        return None if between - {account, person} else account

    def _whole(self, event: Event) -> Person:
        known = self.known[event.id]
        if not only_handl(event):
            # CHOICE: a public event with more than a handlID stays without an account that its person joined by a browser.
            return known if event.public else self.joined.get(known, known)
        (handl,) = keys(event)
        if handl in self.shared:
            return alone(event)
        if self.sign_ins(handl):
            return self._nearest(event, handl, known) or alone(event)
        seen = self.seen(handl, self.known)
        if not seen:
            return ("browser", handl[1])
        (person, *others) = seen
        if others:
            return alone(event)
        if any(not only_handl(other) for other in self.carrying(handl)):
            return self.joined.get(person, person)
        # Seen by a public event only, which leads no browser to an account.
        return alone(event) if person[0] == "account" else person

    def stranger(self, event: Event) -> bool:
        """Return whether an event has a browser that belongs to somebody, and is not theirs."""
        for handl in keys(event, "handl"):
            if self.person[event.id][0] == "account":
                return False
            return bool(self.sign_ins(handl)) or (only_handl(event) and self.person[event.id] == alone(event))
        return False

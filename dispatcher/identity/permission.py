"""Consent of the events that state none themselves. Pure. The cases: docs/identity.md.

A refusal counts for everyone it may belong to, a permission only for the person it surely belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dispatcher.consent import CONSENTS
from dispatcher.identity.browsers import BrowserRules
from dispatcher.identity.fragments import ANONYMOUS, DENIED, GRANTED, unpack
from dispatcher.identity.graph import IdentityGraph, carries_only_handl
from dispatcher.identity.keys import Key, Keys, Kind, LogPosition, links
from dispatcher.identity.membership import Owner
from dispatcher.identity.persons import Person, PersonRules

Statements = Mapping[str, LogPosition]
"""The last statement of each signal."""


class PermissionRules:
    """Finds the consent that applies to events that state none themselves."""

    def __init__(self, graph: IdentityGraph, persons: PersonRules, browsers: BrowserRules) -> None:
        self._graph = graph
        self._persons = persons
        self._browsers = browsers
        self._refusals: dict[Person, Statements] = {}
        self._permissions: dict[tuple[Person, Person], Statements] = {}

    def of(self, owner: Owner, keys: Keys, known: Person) -> Mapping[str, str]:
        """Return `granted` or `denied` for the signals that anybody stated for the events of `owner` with `keys`.

        `known`: the person of these events by their keys alone.
        """
        refusals = dict(self._refusals_of(owner))
        for key in links(keys).all:
            is_direct = not keys.account_id and key.kind != Kind.PHONE
            self._add_marks(refusals, key, DENIED if is_direct else ANONYMOUS)
        permissions = self._permissions_of(owner, known)
        if not refusals and not permissions:
            return {}
        return {
            signal: "granted"
            if signal in permissions and permissions[signal] > refusals.get(signal, (0, 0))
            else "denied"
            for signal in CONSENTS
            if signal in refusals or signal in permissions
        }

    def _refusals_of(self, owner: Owner) -> Statements:
        """Return the last refusals of a person, of those that reach all its events."""
        found = self._refusals.get(owner.person)
        if found is None:
            found = {}
            keys: set[Key] = set()
            for fragment in owner.fragments:
                newest = unpack(fragment.groups)
                _add(found, {signal: newest[field] for signal, field in DENIED.items() if field in newest})
                of = links(fragment.keys)
                keys.update(of.strong, of.phones)
            if owner.person.kind == Kind.ACCOUNT:
                keys |= self._browsers.known_keys(owner.person)
                keys.update(handl for f in owner.fragments if f.keys.account_id and (handl := links(f.keys).handl))
            self._graph.require(keys)
            for key in keys - self._graph.over_limit:
                self._add_marks(found, key, ANONYMOUS)
            self._refusals[owner.person] = found
        return found

    def _add_marks(self, found: dict[str, LogPosition], key: Key, fields: Mapping[str, str]) -> None:
        if mark := self._graph.marks.get(key):
            _add(found, {signal: mark[field] for signal, field in fields.items() if field in mark})

    def _permissions_of(self, owner: Owner, known: Person) -> Statements:
        found = self._permissions.get((owner.person, known))
        if found is None:
            found = {}
            has_email = any(fragment.keys.emails for fragment in owner.fragments) or any(
                key.kind == Kind.EMAIL for key in self._known_keys(owner)
            )
            for fragment in owner.fragments:
                newest = unpack(fragment.groups)
                granted = {signal: newest[field] for signal, field in GRANTED.items() if field in newest}
                if granted and self._is_sure(fragment.keys, owner, known, has_email=has_email):
                    _add(found, granted)
            self._permissions[owner.person, known] = found
        return found

    def _known_keys(self, owner: Owner) -> Iterable[Key]:
        return self._browsers.known_keys(owner.person) if owner.person.kind == Kind.ACCOUNT else ()

    def _is_sure(self, keys: Keys, owner: Owner, known: Person, *, has_email: bool) -> bool:
        """Return whether a permission surely belongs to its person."""
        if keys.is_public:
            return False
        if keys.account_id:
            return True
        of = links(keys)
        if carries_only_handl(keys):
            return owner.person.kind != Kind.ACCOUNT and of.handl in owner.exclusive
        carries_strong_key = any(map(self._persons.connects, of.strong)) or (
            not has_email and any(phone not in self._graph.over_limit for phone in of.phones)
        )
        return carries_strong_key and self._persons.known(keys, 0) in (owner.person, known)


def _add(found: dict[str, LogPosition], stated: Statements) -> None:
    for signal, at in stated.items():
        if signal not in found or found[signal] < at:
            found[signal] = at

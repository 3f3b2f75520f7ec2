"""Say why an event belongs to its person, and why another with the same key does not. Pure.

The sentences hold no key, hash or name: they can be read to a customer.
"""

from __future__ import annotations

from dispatcher.identity.graph import carries_only_handl
from dispatcher.identity.keys import KEY_LIMIT, Key, Keys, Kind, LogPosition, links
from dispatcher.identity.persons import ALONE, TORN, Person
from dispatcher.identity.rules import IdentityRules

NAMES = {Kind.HANDL: "browser", Kind.LEAD: "lead", Kind.EMAIL: "e-mail address", Kind.PHONE: "phone number"}


def why_theirs(rules: IdentityRules, keys: Keys, at: LogPosition) -> str:
    """Return why an event with `keys` at `at` belongs to its person; raise `LookupNeeded` if more must be looked up."""
    person = rules.person(keys, at)
    if keys.account_id:
        return "carries the account"
    if carries_only_handl(keys):
        return _why_on_browser(rules, Key(Kind.HANDL, keys.handl_id), person)
    if rules.persons.known(keys, at[1]) != person:
        return "only this account signed in on its browser"
    if person.kind <= ALONE:
        return _why_alone(rules, keys)
    if keys.is_public:
        return "a public form with the same e-mail address, phone number or lead"
    return _why_of_account(rules, keys, person) if person.kind == Kind.ACCOUNT else _why_same(keys, person)


def _why_of_account(rules: IdentityRules, keys: Keys, person: Person) -> str:
    for step, says in (
        (1, "its {} was recorded with the account"),
        (2, "its {} was recorded beside one of the account"),
    ):
        for key in links(keys).strong:
            if rules.persons.points_to(key) == (step, frozenset((person.value,))):
                return says.format(NAMES[Kind(key.kind)])
    return "only this account has its phone number"


def _why_same(keys: Keys, person: Person) -> str:
    if person in links(keys).all:
        return f"same {NAMES[Kind(person.kind)]}"
    if person.kind == Kind.EMAIL:
        return "the only e-mail address recorded with its lead or phone number"
    return "same phone number as its lead"


def why_not_theirs(rules: IdentityRules, keys: Keys, at: LogPosition) -> str:
    """Return why an event that shares a key with somebody belongs to somebody else, or stands alone."""
    other = rules.person(keys, at)
    if keys.account_id or (other.kind == Kind.ACCOUNT and not carries_only_handl(keys)):
        return "another account"
    if carries_only_handl(keys):
        if other.kind == Kind.ACCOUNT:
            return "another account signed in here"
        return _why_alone(rules, keys) if other.kind <= ALONE else "somebody else's browser"
    if other.kind <= ALONE:
        return _why_alone(rules, keys)
    if other.kind == Kind.EMAIL:
        return "other e-mail address"
    return "other phone number" if other.kind == Kind.PHONE else "other lead"


def _why_on_browser(rules: IdentityRules, handl: Key, person: Person) -> str:
    if person.kind <= ALONE:
        return _why_alone(rules, Keys(handl_id=handl.value))
    if rules.graph.accounts(handl):
        return "the account signed in on its browser, and nobody else was seen there in between"
    return "same browser, and nobody was seen there" if person == handl else "the only person seen on its browser"


def _why_alone(rules: IdentityRules, keys: Keys) -> str:
    of = links(keys)
    if rules.persons.known(keys, 0).kind == TORN:
        return "stands alone: its keys belong to two accounts"
    for key in of.all:
        if key in rules.graph.over_limit:
            return f"stands alone: {NAMES[Kind(key.kind)]} shared by more than {KEY_LIMIT} others"
    for key in of.strong:
        if not rules.persons.connects(key):
            return f"stands alone: several accounts use its {NAMES[Kind(key.kind)]}"
    if carries_only_handl(keys):
        return "stands alone: several people were seen on its browser"
    return "stands alone: nothing tells whose it is"

"""Sealing: normalize and hash a person's values, and forget the values themselves.

    sealed = seal(Person(email="Ann.Lee@gmail.com", phone="020 7946 0958", country="UK"))
    sealed.meta["em"], sealed.google["sha256_email_address"], sealed.country

A hash is SHA-256 over the UTF-8 of the normal form (`outbox.normalization`, `outbox.phone_numbers`, `outbox.countries`),
as 64 lower-case hexadecimal digits. Meta and Google hash different forms of e-mail addresses and phone numbers. Google
gets only these two: names and addresses are not sent there.

A value that is already such a hash goes to Meta unchanged, with the appendix of Meta's parameter builder if it has one. An
e-mail hash goes to Google too, without the appendix: both hash the trimmed lower-case address, except for Gmail addresses
with dots, where Google finds no match. A phone hash does not: with the `+` it would not be Meta's form, without it not
Google's. Neither can use other hashes (MD5, SHA-1); they are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from hashlib import sha256
from operator import attrgetter
from typing import Any

import msgspec

from outbox.countries import country_code, state
from outbox.normalization import (
    LONGEST,
    LeftOut,
    cleaned,
    date_of_birth,
    email_for_google,
    email_for_meta,
    gender,
    name,
    postal_code,
)
from outbox.person import META_TRAITS, Person
from outbox.phone_numbers import e164


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed person: hashes, the country, and notes on what was left out and why.

    `meta` holds Meta's keys of `user_data` (em, ph, fn, ln, ct, st, zp, country, db, ge), `google` GA4's
    (sha256_email_address, sha256_phone_number); every value is a non-empty list of hashes. `country` is the
    lower-case alpha-2 code. `notes` never hold a value.
    """

    meta: dict[str, list[str]]
    google: dict[str, list[str]]
    country: str | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `outbox.record` takes as `sealed`; the notes are the event's own."""
        return {"meta": self.meta, "google": self.google, "country": self.country}

    def __repr__(self) -> str:
        return f"Sealed({', '.join(f'{field}={shown}' for field, shown in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:  # a hash still stands for a person: say what there is, not which
        return [
            ("meta", list(self.meta)),
            ("google", list(self.google)),
            ("country", self.country),
            ("notes", list(self.notes)),
        ]


def seal(person: Person | Mapping[str, object], *, region: str | None = None) -> Sealed:
    """Seal a `Person`, or a mapping with the same fields.

    `region` (alpha-2) is where national phone numbers are dialled if the person has no country. If the country is
    unknown to us, such a number is left out rather than read as somebody else's.

    Never raises. A value that cannot be used is left out and noted; missing, None or blank values are not noted.
    """
    draft = _Draft(region)
    try:
        values = _values(person, draft.notes)
    except Exception:  # noqa: BLE001 - a mapping may run any code; the promise is that a conversion never fails for it
        draft.notes.append("person: cannot be read, left out")
        return draft.sealed()
    meta = draft.meta
    for (field, key, read), value in zip(_STEPS, values, strict=True):
        if value is None:
            continue
        try:
            # The usual case, on a fast path.
            if type(value) is str and len(value) < _SHORTEST_HASH and value.isascii():
                if text := value.strip():
                    meta[key] = [read(draft, text)]
            elif text := cleaned(_text(field, value)):
                already = _already_hashed(draft, field, text) if len(text) >= _SHORTEST_HASH else None
                meta[key] = [already or read(draft, text)]
        except LeftOut as why:
            draft.notes.append(f"person.{field}: {why}, left out")
        except Exception:  # noqa: BLE001 - a value may run any code, too
            draft.notes.append(f"person.{field}: cannot be read, left out")
    return draft.sealed()


# Names of our fields in other systems, so that a note can suggest the right one. Names that are not in this table are
# only counted: an unexpected name may itself be personal data.
_MISNAMED = {
    "birthday": "date_of_birth",
    "country_code": "country",
    "dob": "date_of_birth",
    "email_address": "email",
    "family_name": "last_name",
    "firstname": "first_name",
    "given_name": "first_name",
    "lastname": "last_name",
    "mobile": "phone",
    "phone_number": "phone",
    "postcode": "postal_code",
    "province": "state",
    "region": "state",
    "sex": "gender",
    "zip": "postal_code",
    "zip_code": "postal_code",
}


def _values(person: object, notes: list[str]) -> tuple[object, ...]:
    """Return a person's values in the order of `_FIELDS`; note the unknown keys of a mapping."""
    if isinstance(person, Person):
        return _values_of_person(person)
    if not isinstance(person, Mapping):
        notes.append("person: neither a person nor a mapping, left out")
        return (None,) * len(_FIELDS)
    unknown = len(person) - sum(field in person for field in _FIELDS)
    if unknown > 0:
        misnamed = [name for name in _MISNAMED if name in person]
        notes += [f"person: no field {name}, left out; it is called {_MISNAMED[name]}" for name in misnamed]
        if others := unknown - len(misnamed):
            notes.append(f"person: unknown fields, left out: {others}")
    return tuple(map(person.get, _FIELDS))


class _Draft:
    """The parts of a `Sealed` under construction."""

    __slots__ = ("country", "google", "meta", "notes", "region")

    def __init__(self, region: object) -> None:
        self.meta: dict[str, list[str]] = {}
        self.google: dict[str, list[str]] = {}
        self.country: str | None = None
        self.region = str.__str__(region) if isinstance(region, str) else None
        self.notes: list[str] = []

    def sealed(self) -> Sealed:
        return Sealed(meta=self.meta, google=self.google, country=self.country, notes=tuple(self.notes))


_SHORTEST_HASH = 32  # characters of an MD5
_LARGEST = 10**15  # E.164 numbers have up to 15 digits
_MAY_BE_NUMBERS = frozenset({"phone", "postal_code", "date_of_birth"})


def _text(field: str, value: object) -> str:
    """Return a value that may stand for text as text."""
    if isinstance(value, str):
        if len(text := str.__str__(value)) > LONGEST:  # a subclass may override __str__ and __len__
            raise LeftOut("too long")
        return text
    if field in _MAY_BE_NUMBERS and isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < _LARGEST:
            raise LeftOut("out of range")
        return str(value)
    if field == "date_of_birth" and isinstance(value, date):
        return f"{value.year:04}{value.month:02}{value.day:02}"
    raise LeftOut("not text")


def _hash(normal_form: str) -> str:
    return sha256(normal_form.encode()).hexdigest()


# Countries, states and genders are few and recur, and by themselves identify nobody.
_hash_of_code = lru_cache(maxsize=512)(_hash)


def _country(draft: _Draft, text: str) -> str:
    draft.region = None  # a country that we cannot read is still not the default region
    draft.country, digest = _country_of(text)
    draft.region = draft.country
    return digest


@lru_cache(maxsize=512)  # likewise
def _country_of(text: str) -> tuple[str, str]:
    code = country_code(text)
    return code, _hash(code)


def _email(draft: _Draft, text: str) -> str:
    has_space = " " in text  # Google's rule removes spaces; Meta's only trims, and no valid address contains one
    for_meta = email_for_meta(text.replace(" ", "") if has_space else text)
    for_google = email_for_google(for_meta)
    digest = _hash(for_google)
    draft.google["sha256_email_address"] = [digest]
    if has_space:
        raise LeftOut("an address with a space, which is not valid at Meta")
    return digest if for_meta == for_google else _hash(for_meta)


def _phone(draft: _Draft, text: str) -> str:
    number = e164(text, draft.region)
    draft.google["sha256_phone_number"] = [_hash(number)]
    return _hash(number[1:])


def _name(_: _Draft, text: str) -> str:
    return _hash(name(text))


def _postal_code(draft: _Draft, text: str) -> str:
    return _hash(postal_code(text, draft.country))


# A person's fields, and the function that makes the hash of each for Meta. Country comes first: phone number, state and
# postal code depend on it.
_FIELDS: dict[str, Callable[[_Draft, str], str]] = {
    "country": _country,
    "email": _email,
    "phone": _phone,
    "first_name": _name,
    "last_name": _name,
    "city": _name,
    "state": lambda draft, text: _hash_of_code(state(text, draft.country)),
    "postal_code": _postal_code,
    "date_of_birth": lambda _, text: _hash(date_of_birth(text)),
    "gender": lambda _, text: _hash_of_code(gender(text)),
}
_KEY_OF = {field: key for key, field in META_TRAITS.items()}
_STEPS = tuple((field, _KEY_OF[field], read) for field, read in _FIELDS.items())
_values_of_person = attrgetter(*_FIELDS)


# Meta's parameter builder appends 8 characters, formerly 2 (its Constants: APPENDIX_LENGTH_V2, _V1); their case counts.
_SHA_256 = re.compile(r"([0-9A-Fa-f]{64})((?:\.[A-Za-z0-9_-]{2}(?:[A-Za-z0-9_-]{6})?)?)")
_OF_NOTHING = sha256(b"").hexdigest()
# MD5, SHA-1, SHA-512. Such a text without any digit is more likely a name.
_OTHER_HASH = re.compile(r"(?=.*[0-9])(?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{128})")


def _already_hashed(draft: _Draft, field: str, text: str) -> str | None:
    """Return the text's hash with its appendix if it is a usable hash, else None. Google's goes into the draft."""
    match = _SHA_256.fullmatch(text)
    if not match:
        if _OTHER_HASH.fullmatch(text):
            raise LeftOut("a hash that is not SHA-256")
        return None
    digest = match[1].lower()
    if digest == _OF_NOTHING:
        raise LeftOut("the hash of an empty text")
    if field == "country":
        draft.region = None
    elif field == "email":
        draft.google["sha256_email_address"] = [digest]
    elif field == "phone":
        draft.notes.append("person.phone: hashed already, Google hashes another form, left out there")
    return digest + match[2]

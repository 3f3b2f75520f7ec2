"""The keys that an event carries, and what is known of each kind of key. Pure.

Strong keys are the account, the lead and the e-mail address (as its hash), and a phone where no e-mail address is known.
A handlID is a weak key: it stands for a browser, which several persons may use.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from dispatcher.models import Event

KEY_LIMIT = 32
"""A key other than an account that stands in more than this many combinations with other keys connects nobody."""
MAX_KEY_BYTES = 512
"""A longer key is replaced by its hash, so that every event can be folded, whatever a writer put there."""
MOST_ADDRESSES = 4
"""How many e-mail addresses, and how many phone numbers, of one event are keys: the smallest hashes."""
HASH_CHARACTERS = 64
"""The digits of a SHA-256. What follows them is an appendix of Meta's parameter builder."""

LogPosition = tuple[int, int]
"""When an event happened, in microseconds since 1970, and its id. Orders the log totally."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Kind(IntEnum):
    """The kind of a key."""

    ACCOUNT = 1
    HANDL = 2
    LEAD = 3
    EMAIL = 4
    PHONE = 5


class Key(NamedTuple):
    """One identifier."""

    kind: int
    value: str


class Keys(NamedTuple):
    """The combination of keys that an event carries; an empty string means none.

    `emails` and `phones` hold hashes, sorted and separated by spaces. A public event never shares a combination
    with others.
    """

    account_id: str = ""
    handl_id: str = ""
    lead_id: str = ""
    emails: str = ""
    phones: str = ""
    is_public: bool = False

    @classmethod
    def of(
        cls,
        account_id: str | None,
        handl_id: str | None,
        lead_id: str | None,
        sealed: Any = None,
        *,
        public: bool = False,
    ) -> Keys:
        """Return the keys as they are indexed, from an event in the log; a public event has no account."""
        emails, phones = _addresses(sealed) if isinstance(sealed, dict) else ("", "")
        account = "" if public else _indexable(account_id)
        return cls(account, _indexable(handl_id), _indexable(lead_id), emails, phones, public)

    @property
    def is_empty(self) -> bool:
        """Whether there are no keys."""
        return not any(self[:5])


class Links(msgspec.Struct, frozen=True, gc=False):
    """The keys of a combination, by what they mean. `strong`: the lead and the e-mail addresses; `all`: without the account."""

    handl: Key | None
    lead: Key | None
    emails: tuple[Key, ...]
    phones: tuple[Key, ...]
    strong: tuple[Key, ...]
    all: tuple[Key, ...]


def keys_of(event: Event) -> Keys:
    """Return the keys that an event carries. Its mappings must be decoded (`Event.whole`)."""
    return Keys.of(event.account_id, event.handl_id, event.lead_id, event.sealed, public=event.public)


@lru_cache(maxsize=8192)
def links(keys: Keys) -> Links:
    """Return the keys of a combination that lead to other combinations."""
    handl = Key(Kind.HANDL, keys.handl_id) if keys.handl_id else None
    lead = Key(Kind.LEAD, keys.lead_id) if keys.lead_id else None
    emails = tuple(Key(Kind.EMAIL, each) for each in keys.emails.split())
    phones = tuple(Key(Kind.PHONE, each) for each in keys.phones.split())
    strong = (lead, *emails) if lead else emails
    weak = (handl,) if handl else ()
    return Links(handl, lead, emails, phones, strong, (*weak, *strong, *phones))


def all_keys(keys: Keys) -> tuple[Key, ...]:
    """Return every key of a combination."""
    return (Key(Kind.ACCOUNT, keys.account_id), *links(keys).all) if keys.account_id else links(keys).all


def position(occurred_at: datetime, event_id: int) -> LogPosition:
    """Return the position of an event in the log."""
    return (occurred_at - EPOCH) // _MICROSECOND, event_id


def _indexable(key: str | None) -> str:
    """Return the key, or its hash if an index row (2704 bytes) might not hold it."""
    if not key or len(key) <= MAX_KEY_BYTES // 4 or len(encoded := key.encode("utf-8", "replace")) <= MAX_KEY_BYTES:
        return key or ""
    return sha256(encoded).hexdigest()


def _addresses(sealed: Mapping[str, Any]) -> tuple[str, str]:
    """Return the hashes of e-mail addresses and phone numbers.

    Meta's form of an e-mail address comes first: a dot makes another address, and so another person (docs/identity.md).
    """
    meta, google = sealed.get("meta"), sealed.get("google")
    meta = meta if isinstance(meta, dict) else {}
    google = google if isinstance(google, dict) else {}
    return (
        _hashes(meta.get("em") or google.get("sha256_email_address")),
        _hashes(meta.get("ph") or google.get("sha256_phone_number")),
    )


def _hashes(values: Any) -> str:
    if not isinstance(values, list):
        return ""
    if len(values) == 1:
        (value,) = values
        return value[:HASH_CHARACTERS] if isinstance(value, str) and " " not in value else ""
    found = {value[:HASH_CHARACTERS] for value in values if isinstance(value, str) and value and " " not in value}
    return " ".join(sorted(found)[:MOST_ADDRESSES])


def position_of(groups: Any, event_id: str) -> LogPosition:
    """Return the position of the first or the last event of a fragment, given by its id."""
    at, last, _ = groups[0]
    first_at, first, _ = groups[-1]
    return (at, last) if str(last) == event_id else (-first_at, -first)

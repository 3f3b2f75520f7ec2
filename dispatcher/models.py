"""The values that pass between claiming, building, sending and settling. Nothing here knows of the database.

They hold no reference cycles, so they are hidden from the garbage collector (`gc=False`): thousands of them live at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

_content = msgspec.json.Decoder(list[Any]).decode


class EventHead(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The columns of an event that are no JSON: when it happened, what it is called, and its keys."""

    id: int
    occurred_at: datetime
    recorded_at: datetime
    name: str
    event_id: str
    handl_id: str | None = None
    lead_id: str | None = None
    account_id: str | None = None


class Event(EventHead, frozen=True, gc=False, array_like=True):
    """An event as it is read. The mappings hold whatever a writer put there: check them before use."""

    sealed: dict[str, Any] | None = None
    visitor: dict[str, Any] | None = None
    campaign: dict[str, Any] | None = None
    details: dict[str, Any] | None = None
    consent: dict[str, Any] | None = None
    public: bool = False

    def decoded(self) -> Event:
        """Return the event itself."""
        return self


class ClaimedEvent(EventHead, frozen=True, gc=False, array_like=True):
    """An event as it is claimed: `content` holds its mappings as JSON, an array in the order of `Event`.

    They are decoded when the event is built, so that they are used while they are in the processor's cache, and dropped
    after that: a lease that waits to be sent takes a third of the memory.
    """

    content: msgspec.Raw = msgspec.Raw(b"[]")

    def decoded(self) -> Event:
        """Return the event with its mappings."""
        return Event(
            self.id,
            self.occurred_at,
            self.recorded_at,
            self.name,
            self.event_id,
            self.handl_id,
            self.lead_id,
            self.account_id,
            *_content(self.content),
        )


class SentAs(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What the first send that may have been taken fixes for every repeat.

    `event_name`: empty for the notice of a merge. `event_time`: None if it is when the event occurred. `account_id`: unset
    if a repeat may add one. `other`: what else the destination fixes, such as GA4's client id.
    """

    dataset: str
    event_name: str = ""
    event_time: datetime | None = None
    account_id: str | msgspec.UnsetType | None = msgspec.UNSET
    other: dict[str, str] = {}

    @classmethod
    def read(cls, value: dict[str, Any] | None) -> SentAs | None:
        """Return what a column of the database holds."""
        return None if value is None else msgspec.convert(value, cls)


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One event for one destination.

    `first_unknown_at`: the time of the first attempt with an unknown outcome. `after_merge`: a merge led to it: a re-send of
    what was delivered, or a notice.
    """

    event: Event
    revision: int = 0
    tries: int = 0
    first_unknown_at: datetime | None = None
    sent_as: SentAs | None = None
    after_merge: bool = False

    def decoded(self) -> Delivery:
        """Return the delivery itself."""
        return self

    def event_time(self, now: datetime) -> datetime:
        """Return the time of the event to send: as it was sent, else when it occurred, but not ahead of `now`."""
        if self.sent_as is None:
            return min(self.event.occurred_at, now)
        return self.sent_as.event_time or self.event.occurred_at


class ClaimedDelivery(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A `Delivery` as it is claimed, from the array that the claim writes."""

    event: ClaimedEvent
    revision: int = 0
    tries: int = 0
    first_unknown_at: datetime | None = None
    sent_as: SentAs | None = None
    after_merge: bool = False

    def decoded(self) -> Delivery:
        """Return the delivery with the mappings of its event."""
        return Delivery(
            self.event.decoded(), self.revision, self.tries, self.first_unknown_at, self.sent_as, self.after_merge
        )


class Lease:
    """A batch that this process holds. `claimed_at`: the database's clock. `losses`: see `dispatcher.quarantine`.

    `content`: its deliveries as the claim gives them, JSON arrays; read at the first use of `deliveries`, so that whatever
    they hold is met while it is known which lease is being processed. `unreadable`: the (event id, revision) of those that
    cannot be read. `is_full`: whether the claim got as many as it may, so that more may be due.
    """

    __slots__ = ("_deliveries", "claimed_at", "content", "count", "id", "is_full", "losses", "unreadable")

    def __init__(
        self,
        id: int,  # noqa: A002 - as the column is called
        claimed_at: datetime,
        deliveries: list[ClaimedDelivery] | None = None,
        *,
        content: Sequence[str] = (),
        count: int = 0,
        losses: int = 0,
        is_full: bool = False,
    ) -> None:
        self.id = id
        self.claimed_at = claimed_at
        self.content = content
        self.count = len(deliveries) if deliveries is not None else count
        self.losses = losses
        self.is_full = is_full
        self.unreadable: list[tuple[int, int]] = []
        self._deliveries = deliveries

    @property
    def deliveries(self) -> list[ClaimedDelivery]:
        """The deliveries that can be read."""
        if self._deliveries is None:
            self._deliveries = []
            for part in self.content:
                try:
                    self._deliveries += _deliveries(part)
                except msgspec.DecodeError:
                    self._read_singly(part)
        return self._deliveries

    def _read_singly(self, part: str) -> None:
        for each in _raws(part):
            try:
                self.deliveries.append(_delivery(each))
            except msgspec.DecodeError:
                (event_id, *_), revision, *_ = msgspec.json.decode(each)
                self.unreadable.append((event_id, revision))


_delivery = msgspec.json.Decoder(ClaimedDelivery).decode
_deliveries = msgspec.json.Decoder(list[ClaimedDelivery]).decode
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Route(msgspec.Struct, frozen=True, gc=False):
    """How one step is sent to one destination: a row of `route` joined to its `step`."""

    event_name: str
    parameters: dict[str, Any] = {}
    enabled: bool = True
    paused: bool = False
    action_source: str | None = None
    browser_pair: bool = False
    value: float | None = None
    currency: str | None = None


class Settlement(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How one delivery ended, or, with `due_at`, how its attempt ended and when to try again.

    `outcome`: delivered, skipped or failed if the delivery ended; transient, uncertain or returned (never tried) if it is
    still pending. `sent_at`: the time of the request, from which a destination counts repeats. `sent`: the names of the
    fields sent, separated by spaces, each identifier with a digest (`em:62a14e44`).
    """

    event_id: int
    revision: int
    outcome: str
    reason: str | None = None
    status: int | None = None
    code: int | None = None
    subcode: int | None = None
    trace: str | None = None
    account_id: str | None = None
    sent: str | None = None
    due_at: datetime | None = None
    unknown_at: datetime | None = None
    sent_at: datetime | None = None

"""What passes between claiming, building, sending and settling. Plain values; nobody here knows of the database.

They hold no cycles, so the garbage collector need not look at them, of which there are thousands at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

_content = msgspec.json.Decoder(list[Any]).decode


class Event(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A conversion as it lies in the log. The mappings hold whatever a writer put there: check before use.

    As JSON it is an array, as the claims write it; so is a `Delivery`. Of a claimed one the mappings are still JSON, in
    `content`: each event is read when it is built, so that what it holds is used while it is in the processor's cache.
    """

    id: int
    occurred_at: datetime
    recorded_at: datetime
    name: str
    event_id: str
    handl_id: str | None = None
    lead_id: str | None = None
    account_id: str | None = None
    sealed: dict[str, Any] | None = None
    visitor: dict[str, Any] | None = None
    campaign: dict[str, Any] | None = None
    details: dict[str, Any] | None = None
    consent: dict[str, Any] | None = None
    content: msgspec.Raw = msgspec.Raw()

    def whole(self) -> Event:
        """Give the event with its mappings."""
        if not self.content:
            return self
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


class Delivery(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One event owed to one destination. `first_unknown_at`: when an attempt was made whose outcome nobody knows."""

    event: Event
    revision: int = 0
    tries: int = 0
    first_unknown_at: datetime | None = None


class Lease:
    """A batch that this process holds. `claimed_at`: the database's clock. `losses`: see `dispatcher.quarantine`.

    `content`: its deliveries as the claim gives them, JSON arrays; read at the first use of `deliveries`, so that whatever
    they hold is met while it is known which lease is worked on. `unreadable`: those (event id, revision) that are none.
    `is_full`: whether as many were due as might be claimed, so that there may be more.
    """

    __slots__ = ("_deliveries", "claimed_at", "content", "count", "id", "is_full", "losses", "unreadable")

    def __init__(
        self,
        id: int,  # noqa: A002 - as the column is called
        claimed_at: datetime,
        deliveries: list[Delivery] | None = None,
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
    def deliveries(self) -> list[Delivery]:
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


_delivery = msgspec.json.Decoder(Delivery).decode
_deliveries = msgspec.json.Decoder(list[Delivery]).decode
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Route(msgspec.Struct, frozen=True, gc=False):
    """What holds for one step at one destination: a row of `mapping` with its `step`."""

    event_name: str
    parameters: dict[str, Any] = {}
    enabled: bool = True
    paused: bool = False
    action_source: str | None = None
    browser_pair: bool = False
    value: float | None = None
    currency: str | None = None


class Settlement(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What became of one delivery; with `due_at` it is still owed, and `outcome` says how the attempt ended.

    outcome, ended: delivered, skipped, dead. Outcome, still owed: transient, uncertain, or returned (it was
    never tried). `sent_at`: when the request was made, from which a destination counts a repeat. `sent` names the fields
    that were sent, separated by spaces, identifiers with a digest (`em:62a14e44`).
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

"""What intake makes of the events of a batch: sealed persons, and the fragments that they are folded into."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog
from psycopg.types.json import Jsonb

from dispatcher.identity.fragments import Fact, Folded, fold, fragment_id, marks
from dispatcher.identity.keys import Keys, Kind, links, position
from outbox.sealing import seal

log = structlog.get_logger()


class IntakeEvent(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An event that waits for intake, with all that intake needs of it; `person` is what a SQL writer sent raw.

    The mappings are still JSON: each is decoded when it is folded, so that its content is in the processor's cache.
    """

    id: int
    occurred_at: datetime
    recorded_at: datetime
    name: str
    handl_id: str | None
    lead_id: str | None
    account_id: str | None
    sealed: msgspec.Raw
    visitor: msgspec.Raw
    consent: msgspec.Raw
    public: bool
    person: Any


_decode_one = msgspec.json.Decoder(IntakeEvent).decode
_decode_all = msgspec.json.Decoder(list[IntakeEvent]).decode
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_content = msgspec.json.Decoder().decode


def decode_events(content: Iterable[str]) -> tuple[list[IntakeEvent], list[int]]:
    """Return the events of a claim, and the ids of those that cannot be read."""
    events: list[IntakeEvent] = []
    unreadable: list[int] = []
    for part_ in content:
        try:
            events += _decode_all(part_)
        except msgspec.DecodeError:
            for each in _raws(part_):
                try:
                    events.append(_decode_one(each))
                except msgspec.DecodeError:
                    unreadable.append(_content(each)[0])
    return events, unreadable


def seal_all(events: Iterable[IntakeEvent], region: str | None, failed: list[int]) -> list[dict[str, Any]]:
    """Return the sealed form of every person that was sent raw; add the ids of those that cannot be sealed to `failed`."""
    sealed: list[dict[str, Any]] = []
    for event in events:
        if event.person is None:
            continue
        try:
            form = seal(event.person, region=region)
            sealed.append({"event_id": event.id, "sealed": form.to_json(), "notes": form.notes})
        except Exception as error:  # noqa: BLE001 - one event harms itself only
            log.error("a person cannot be sealed", id=event.id, error=type(error).__name__)
            failed.append(event.id)
    return sealed


def facts_of(events: Iterable[IntakeEvent], sealed: Iterable[dict[str, Any]], failed: list[int]) -> list[Fact]:
    """Return what folding needs of the events that carry a key, sealed; add the ids of those that raise to `failed`."""
    forms = {row["event_id"]: row["sealed"] for row in sealed}
    facts: list[Fact] = []
    for event in events:
        if event.id in failed:
            continue
        try:
            sealed_form = forms[event.id] if event.id in forms else _content(event.sealed)
            keys = Keys.of(event.account_id, event.handl_id, event.lead_id, sealed_form, public=event.public)
            if not keys.is_empty:
                at = position(event.occurred_at, event.id)
                facts.append(Fact.of(at, keys, sealed_form, _content(event.visitor), _content(event.consent)))
        except Exception as error:  # noqa: BLE001 - likewise
            log.error("an event cannot be folded", id=event.id, error=type(error).__name__)
            failed.append(event.id)
    return facts


def folded(facts: Sequence[Fact]) -> dict[str, Jsonb]:
    """Return the parameters `fragments` and `marks` of settle_events and fold_events."""
    return {
        "fragments": Jsonb([_as_row(keys, fragment) for keys, fragment in fold(facts).items()]),
        "marks": Jsonb(
            [
                {"kind": key.kind, "key": key.value, "refusals": refusals}
                for key, refusals in sorted(marks(facts).items())
            ]
        ),
    }


def _as_row(keys: Keys, fragment: Folded) -> dict[str, Any]:
    is_account = keys == Keys(keys.account_id)
    return {
        "id": str(fragment_id(keys)),
        **keys._asdict(),
        "groups": fragment.groups,
        "known": fragment.known,
        "keys": [(Kind.ACCOUNT, keys.account_id)] if is_account else links(keys).all,
        "events": fragment.events,
        "clicks": fragment.clicks,
    }

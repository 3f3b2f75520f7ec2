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


_arrival = msgspec.json.Decoder(IntakeEvent).decode
_arrivals = msgspec.json.Decoder(list[IntakeEvent]).decode
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_content = msgspec.json.Decoder().decode


def read_arrivals(content: Iterable[str]) -> tuple[list[IntakeEvent], list[int]]:
    """Return the arrivals of a claim, and the ids of those that cannot be read."""
    arrivals: list[IntakeEvent] = []
    unreadable: list[int] = []
    for part_ in content:
        try:
            arrivals += _arrivals(part_)
        except msgspec.DecodeError:
            for each in _raws(part_):
                try:
                    arrivals.append(_arrival(each))
                except msgspec.DecodeError:
                    unreadable.append(_content(each)[0])
    return arrivals, unreadable


def seal_all(arrivals: Iterable[IntakeEvent], region: str | None, failed: list[int]) -> list[dict[str, Any]]:
    """Return the sealed form of every person that was sent raw; add the ids of those that cannot be sealed to `failed`."""
    sealed: list[dict[str, Any]] = []
    for arrival in arrivals:
        if arrival.person is None:
            continue
        try:
            form = seal(arrival.person, region=region)
            sealed.append({"event_id": arrival.id, "sealed": form.to_json(), "notes": form.notes})
        except Exception as error:  # noqa: BLE001 - one event harms itself only
            log.error("a person cannot be sealed", id=arrival.id, error=type(error).__name__)
            failed.append(arrival.id)
    return sealed


def facts_of(arrivals: Iterable[IntakeEvent], sealed: Iterable[dict[str, Any]], failed: list[int]) -> list[Fact]:
    """Return what folding needs of the events that carry a key, sealed; add the ids of those that raise to `failed`."""
    forms = {row["event_id"]: row["sealed"] for row in sealed}
    facts: list[Fact] = []
    for arrival in arrivals:
        if arrival.id in failed:
            continue
        try:
            sealed_form = forms[arrival.id] if arrival.id in forms else _content(arrival.sealed)
            keys = Keys.of(arrival.account_id, arrival.handl_id, arrival.lead_id, sealed_form, public=arrival.public)
            if not keys.is_empty:
                at = position(arrival.occurred_at, arrival.id)
                facts.append(Fact.of(at, keys, sealed_form, _content(arrival.visitor), _content(arrival.consent)))
        except Exception as error:  # noqa: BLE001 - likewise
            log.error("an event cannot be folded", id=arrival.id, error=type(error).__name__)
            failed.append(arrival.id)
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

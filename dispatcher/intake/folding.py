"""What intake makes of the events of a batch: sealed persons, and the fragments that they are folded into."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog
from psycopg.types.json import Jsonb

from dispatcher.identity.fragments import Fact, Keys, fold, position
from dispatcher.identity.graph import Kind
from outbox.sealing import seal

log = structlog.get_logger()

GIVE_UP = 3
"""Crashes of its process after which each event of a batch is tried alone. A person that crashes the process even then is
left out, so that it harms no other event."""


class Arrival(msgspec.Struct, frozen=True, gc=False, array_like=True):
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
    tries: int
    person: Any

    @property
    def keys(self) -> Keys:
        """The keys that it carries."""
        return Keys.of(self.account_id, self.handl_id, self.lead_id)


decode_arrivals = msgspec.json.Decoder(list[Arrival]).decode
_content = msgspec.json.Decoder().decode


def seal_all(arrivals: Iterable[Arrival], region: str | None) -> list[dict[str, Any]]:
    """Return the sealed form of every raw person."""
    sealed: list[dict[str, Any]] = []
    for arrival in arrivals:
        if arrival.person is None:
            continue
        if arrival.tries > GIVE_UP:
            log.warning("person could not be sealed and is left out", id=arrival.id)
            sealed.append({"event_id": arrival.id, "sealed": None, "notes": ["person: could not be sealed, left out"]})
        else:
            form = seal(arrival.person, region=region)
            sealed.append({"event_id": arrival.id, "sealed": form.to_json(), "notes": form.notes})
    return sealed


def facts_of(arrivals: Iterable[Arrival], sealed: Iterable[dict[str, Any]]) -> list[Fact]:
    """Return what folding needs of the events that carry a key, sealed."""
    forms = {row["event_id"]: row["sealed"] for row in sealed}
    return [
        Fact.of(
            position(arrival.occurred_at, arrival.id),
            keys,
            forms[arrival.id] if arrival.id in forms else _content(arrival.sealed),
            _content(arrival.visitor),
            _content(arrival.consent),
        )
        for arrival in arrivals
        if any(keys := arrival.keys)
    ]


def folded(facts: Sequence[Fact]) -> dict[str, Jsonb]:
    """Return the parameters `fragments` and `sign_ins` of settle_events, with keys in the order of jsonb, shorter first."""
    events: defaultdict[Keys, list[int]] = defaultdict(list)
    for fact in facts:
        events[fact.keys].append(fact.position[1])
    return {
        "fragments": Jsonb(
            [
                {
                    "groups": groups,
                    "lead_id": keys.lead_id,
                    "handl_id": keys.handl_id,
                    "event_ids": sorted(events[keys]),
                    "account_id": keys.account_id,
                }
                for keys, groups in fold(facts).items()
            ]
        ),
        "sign_ins": Jsonb(
            [
                {"at": at, "key": key, "kind": kind, "event_id": event_id, "account_id": keys.account_id}
                for fact in facts
                if (keys := fact.keys).account_id
                for (at, event_id) in [fact.position]
                for kind, key in ((Kind.HANDL, keys.handl_id), (Kind.LEAD, keys.lead_id))
                if key
            ]
        ),
    }

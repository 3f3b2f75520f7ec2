"""Describe where each field of a payload comes from, in plain words. Pure.

A field comes from the event itself, from another event of the same person, from the configuration, or is derived.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from dispatcher.consent import CONSENTS
from dispatcher.destinations.payload_fields import PayloadFields
from dispatcher.identity.fragments import BROWSER, GOOGLE_TRAITS, TRAITS
from dispatcher.identity.profile import Profile, profile_from_event
from dispatcher.models import Event, Route

EVENT = "this event"
CONFIGURATION = "configuration"
DERIVED = "derived"

MONEY = {"value", "currency"}


class Provenance:
    """Where the profile of one event comes from.

    `borrowed`: the id of the source event by field (`dispatcher.identity.enrichment.Enrichment`). `sources`: those
    events by id.
    """

    def __init__(
        self, event: Event, profile: Profile, borrowed: Mapping[str, int], sources: Mapping[int, Event]
    ) -> None:
        self._event = event
        self._profile = profile
        self._own = profile_from_event(event)
        self._borrowed = borrowed
        self._sources = sources

    def source_of(self, path: str, route: Route | None, fields: PayloadFields, value: object = None) -> str:
        """Return where the field at `path` of a payload comes from; `fields`: those of its kind of destination.

        `value`: what is sent there, where what the event states may not hold.
        """
        name = path.rpartition(".")[2]
        if field := fields.profile.get(path):
            return self._source_of_profile_field(field)
        if path in fields.keys:
            return self._source_of_keys()
        if path in fields.account:
            return self._source_of_account()
        if name in fields.of_the_event:
            return EVENT
        if path in fields.of_the_funnel:
            return CONFIGURATION
        if name == "action_source":
            return self._source_of_action_source(route, value)
        return self._source_of_parameter(name, route, fields)

    def _source_of_profile_field(self, field: str) -> str:
        if self._has_own(field):
            made = field == "fbc" and not (self._event.visitor or {}).get("fbc")
            return f"{EVENT}, made from its fbclid" if made else EVENT
        if source := self._sources.get(self._borrowed.get(field, 0)):
            return self._describe(source)
        if field in CONSENTS:
            return f"{CONFIGURATION} (OUTBOX_CONSENT_DEFAULT)"
        return f"{DERIVED} from the event's own key" if field == "ga_client_id" else DERIVED

    def _has_own(self, field: str) -> bool:
        """Return whether the event itself has `field`, by its name in fragments."""
        if field in CONSENTS:
            return self._own.consent.get(field) is not None
        if field == "country":
            return self._own.country is not None or bool(self._own.meta.get("country"))
        if field in TRAITS or field in GOOGLE_TRAITS:
            return bool(self._own.meta.get(field) or self._own.google.get(field))
        values = dict(BROWSER)[field]
        return any(self._own.visitor.get(value) for value in values)

    def _source_of_keys(self) -> str:
        others = set(self._profile.keys) - set(self._own.keys)
        own = self._carried({key.value for key in set(self._profile.keys) - others})
        parts = [f"{EVENT}'s {', '.join(own)}"] if own else []
        if others:
            parts.append(f"{len(others)} more of the same person")
        return " and ".join(parts)

    def _carried(self, keys: set[str]) -> list[str]:
        named = (("account", self._event.account_id), ("handlID", self._event.handl_id), ("lead", self._event.lead_id))
        return [name for name, value in named if value in keys]

    def _source_of_account(self) -> str:
        account = self._profile.account_id
        if account and account != self._event.account_id:
            return "the account that signed in on this browser or lead"
        return EVENT

    def _source_of_action_source(self, route: Route | None, sent: object) -> str:
        if route and route.action_source and sent in (None, route.action_source):
            return CONFIGURATION
        stated = (self._event.details or {}).get("action_source")
        if not stated:
            return DERIVED
        if sent in (None, stated):
            return EVENT
        if stated == "website" and not self._profile.is_visit:
            return f"{DERIVED}: the event states website, but user agent and page of its visit are not known"
        return f"{DERIVED}: what the event states does not hold"

    def _source_of_parameter(self, name: str, route: Route | None, fields: PayloadFields) -> str:
        """Return where a parameter that describes the conversion comes from."""
        for part, inner in (*fields.renamed.get(name, ()), ("details", name)):
            if self._part(part).get(inner) not in (None, "", []):
                return EVENT
        if route and (name in route.parameters or name in MONEY):
            return CONFIGURATION
        return EVENT if name == "content_category" else DERIVED

    def _part(self, name: str) -> Mapping[str, Any]:
        return getattr(self._event, name) or {}

    def _describe(self, source: Event) -> str:
        return f"event {source.id}, {_apart(source.occurred_at - self._event.occurred_at)}, {self._tie(source)}"

    def _tie(self, source: Event) -> str:
        event = self._event
        if source.handl_id and source.handl_id == event.handl_id:
            return "same browser"
        if source.account_id and source.account_id == self._profile.account_id:
            return "same account"
        return "same lead" if source.lead_id and source.lead_id == event.lead_id else "same person"


def _apart(time: timedelta) -> str:
    """Return a time span in words: `2 h earlier`, `at the same time`."""
    seconds = abs(time.total_seconds())
    if seconds < 1:
        return "at the same time"
    size, unit = next(
        (size, unit) for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")) if seconds >= size
    )
    return f"{int(seconds // size)} {unit} {'earlier' if time < timedelta() else 'later'}"

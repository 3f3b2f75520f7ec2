"""Where each field of a payload comes from, in plain words. Pure.

A field is told by the event itself, lent by another event of its person, set by the configuration, or derived.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from dispatcher.consent import CONSENTS
from dispatcher.identity.fragments import BROWSER, GOOGLE_TRAITS, TRAITS
from dispatcher.identity.profile import Profile, profile_from_event
from dispatcher.models import Event, Route

EVENT = "this event"
CONFIGURATION = "configuration"
DERIVED = "derived"

# The fields that a person or browser tells → what the folded log calls them (`dispatcher.identity.fragments`).
TOLD = {
    **{f"user_data.{name}": name for name in TRAITS},
    "user_data.client_ip_address": "agent",
    "user_data.client_user_agent": "agent",
    "user_data.fbp": "fbp",
    "user_data.fbc": "fbc",
    "event_source_url": "url",
    "referrer_url": "url",
    "client_id": "ga_client_id",
    **{f"user_data.{name}": name for name in GOOGLE_TRAITS},
    "user_properties.user_email_hash": "sha256_email_address",
    "user_properties.user_phone_hash": "sha256_phone_number",
    "user_properties.user_country": "country",
    **{f"consent.{kind}": kind for kind in CONSENTS},
}

# The fields that stand in the event under another name: where they are looked for, in this order.
RENAMED: dict[str, tuple[tuple[str, str], ...]] = {
    "content_name": (("details", "content_name"), ("details", "form"), ("details", "product")),
    "content_category": (("details", "content_category"),),
    "method": (("details", "form"),),
    "items": (("details", "items"), ("details", "product")),
    "transaction_id": (("details", "order_id"),),
    "session_id": (("visitor", "ga_session_id"),),
    "lead_source": (("campaign", "source"),),
    "lead_medium": (("campaign", "medium"),),
    "lead_campaign": (("campaign", "campaign"),),
    "lead_content": (("campaign", "content"),),
    "lead_term": (("campaign", "term"),),
    "fb_source": (("campaign", "fb_source"),),
    "fb_loc": (("campaign", "fb_loc"),),
    "campaign": (("campaign", "campaign"),),
}
MONEY = {"value", "currency"}
OF_THE_EVENT = {"event_id", "event_time", "timestamp_micros"}
OF_THE_FUNNEL = {"event_name", "events.name"}


class Origins:
    """Where what is known of one event's person comes from.

    `borrowed`: by field, the id of the event that lends it (`dispatcher.identity.lend.wanted`); `lenders`: those events.
    """

    def __init__(self, event: Event, known: Profile, borrowed: Mapping[str, int], sources: Mapping[int, Event]) -> None:
        self._event = event
        self._known = known
        self._own = profile_from_event(event)
        self._borrowed = borrowed
        self._sources = sources

    def of(self, path: str, route: Route | None) -> str:
        """Give where the field at `path` of a payload comes from."""
        name = path.rpartition(".")[2]
        if field := TOLD.get(path):
            return self._told(field)
        if path == "user_data.external_id":
            return self._keys()
        if path in {"user_id", "user_properties.handlID"}:
            return self._key(path)
        if name in OF_THE_EVENT:
            return EVENT
        if path in OF_THE_FUNNEL:
            return CONFIGURATION
        if name == "action_source":
            return self._action_source(route)
        return self._said(name, route)

    def _told(self, field: str) -> str:
        if self._tells(field):
            made = field == "fbc" and not (self._event.visitor or {}).get("fbc")
            return f"{EVENT}, made from its fbclid" if made else EVENT
        if lender := self._sources.get(self._borrowed.get(field, 0)):
            return self._describe(lender)
        if field in CONSENTS:
            return f"{CONFIGURATION} (OUTBOX_CONSENT_DEFAULT)"
        return f"{DERIVED} from the person's earliest key" if field == "ga_client_id" else DERIVED

    def _tells(self, field: str) -> bool:
        """Tell whether the event itself has what the folded log calls `field`."""
        if field in CONSENTS:
            return self._own.consent.get(field) is not None
        if field == "country":
            return self._own.country is not None or bool(self._own.meta.get("country"))
        if field in TRAITS or field in GOOGLE_TRAITS:
            return bool(self._own.meta.get(field) or self._own.google.get(field))
        values = dict(BROWSER)[field]
        return any(self._own.visitor.get(value) for value in values)

    def _keys(self) -> str:
        lent = set(self._known.keys) - set(self._own.keys)
        own = self._carried(set(self._known.keys) - lent)
        parts = [f"{EVENT}'s {', '.join(own)}"] if own else []
        if lent:
            parts.append(f"{len(lent)} more of the same person")
        return " and ".join(parts)

    def _carried(self, keys: set[str]) -> list[str]:
        named = (("account", self._event.account_id), ("handlID", self._event.handl_id), ("lead", self._event.lead_id))
        return [name for name, value in named if value in keys]

    def _key(self, path: str) -> str:
        if path == "user_properties.handlID":
            return EVENT
        account = self._known.account_id
        if account and account != self._event.account_id:
            return "the account that signed in on this browser or lead"
        return EVENT

    def _action_source(self, route: Route | None) -> str:
        if route and route.action_source:
            return CONFIGURATION
        return EVENT if (self._event.details or {}).get("action_source") else DERIVED

    def _said(self, name: str, route: Route | None) -> str:
        """Give where a parameter comes from that says what happened."""
        for part, inner in (*RENAMED.get(name, ()), ("details", name)):
            if self._part(part).get(inner) not in (None, "", []):
                return EVENT
        if route and (name in route.parameters or name in MONEY):
            return CONFIGURATION
        return EVENT if name == "content_category" else DERIVED

    def _part(self, name: str) -> Mapping[str, Any]:
        return getattr(self._event, name) or {}

    def _describe(self, lender: Event) -> str:
        return f"event {lender.id}, {_apart(lender.occurred_at - self._event.occurred_at)}, {self._tie(lender)}"

    def _tie(self, lender: Event) -> str:
        event = self._event
        if lender.handl_id and lender.handl_id == event.handl_id:
            return "same browser"
        if lender.account_id and lender.account_id == self._known.account_id:
            return "same account"
        return "same lead" if lender.lead_id and lender.lead_id == event.lead_id else "same person"


def _apart(time: timedelta) -> str:
    """Give a span as a person says it: `2 h earlier`, `at the same time`."""
    seconds = abs(time.total_seconds())
    if seconds < 1:
        return "at the same time"
    size, unit = next(
        (size, unit) for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")) if seconds >= size
    )
    return f"{int(seconds // size)} {unit} {'earlier' if time < timedelta() else 'later'}"

"""Histories of the oracle as events of the log, and what the product says of them in the oracle's words."""

from __future__ import annotations

from dataclasses import replace

from dispatcher.consent import consent_of
from dispatcher.identity.keys import Kind
from dispatcher.models import Event
from tests.properties.enrichment_oracle import ClientId

KINDS = {Kind.ACCOUNT: "account", Kind.HANDL: "handl", Kind.LEAD: "lead"}
TRAITS = {"first_name": "fn", "last_name": "ln", "city": "ct"}
FIELDS = {"em": "email", "ph": "phone", "fn": "first_name", "ln": "last_name", "ct": "city", "agent": "agent_ip"}


def with_one_lead(history):
    """The same history; an event of the log carries one lead at most."""
    return [replace(event, leads=event.leads[:1]) for event in history]


def as_json(event):
    """An event of the oracle as `outbox.record` takes it."""
    meta = {"em": list(event.emails), "ph": list(event.phones)}
    meta |= {TRAITS[name]: [value] for name, value in event.traits.items()}
    visitor = {"fbp": event.fbp, "fbc": event.fbc, "url": event.url, "ga_client_id": event.ga_client_id}
    if event.agent_ip:
        visitor |= dict(zip(("user_agent", "ip"), event.agent_ip, strict=True))
    fields = {
        "name": "lead_submitted",
        "event_id": str(event.id),
        "occurred_at": event.occurred_at.isoformat(),
        "account_id": event.account,
        "handl_id": event.handl,
        "lead_id": next(iter(event.leads), None),
        "sealed": {
            "meta": {name: values for name, values in meta.items() if values},
            "google": {"sha256_email_address": list(event.emails)} if event.emails else {},
            "country": None,
        },
        "visitor": {name: value for name, value in visitor.items() if value},
        "consent": event.consent and dict(event.consent) if event.consent is not None else None,
        "public": event.public or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def as_event(event):
    """An event of the oracle as it stands in the log."""
    fields = as_json(event)
    return Event(
        id=event.id,
        occurred_at=event.occurred_at,
        recorded_at=event.occurred_at,
        name=fields["name"],
        event_id=fields["event_id"],
        handl_id=event.handl,
        lead_id=fields.get("lead_id"),
        account_id=event.account,
        sealed=fields["sealed"],
        visitor=fields["visitor"],
        consent=fields.get("consent"),
        public=event.public,
    )


def of_oracle(outcome):
    """What the oracle says of an event, as far as it goes out."""
    return {
        "account": next((value for kind, value in outcome.external_id if kind == "account"), None),
        "external_id": list(outcome.external_id),
        "fields": {name: taken.event for name, taken in outcome.fields.items()},
        "consent": dict(outcome.consent),
        "client_id": outcome.client_id,
        "user_id": outcome.user_id,
    }


def of_product(event, own, enrichment, profile):
    """What the product says of an event."""
    fields = {}
    for name in ("em", "ph", "fn", "ln", "ct"):
        if own.meta.get(name):
            fields[FIELDS[name]] = event.id
    for name, values in (("fbp", "fbp"), ("fbc", "fbc"), ("agent_ip", "user_agent"), ("url", "url")):
        if own.visitor.get(values):
            fields[name] = event.id
    for name, source in enrichment.sources.items():
        if name not in ("ga_client_id", "sha256_email_address"):
            fields[FIELDS.get(name, name)] = source
    user = ("account", profile.account_id) if profile.account_id else profile.lead_id and ("lead", profile.lead_id)
    return {
        "account": profile.account_id and profile.account_id.lower(),
        "external_id": [(KINDS[key.kind], key.value.strip().lower()) for key in profile.keys],
        "fields": fields,
        "consent": consent_of(profile.consent, "granted"),
        "client_id": _client_id(own, profile),
        "user_id": None if profile.is_refused else user or None,
    }


def _client_id(own, profile):
    if own.visitor.get("ga_client_id"):
        return ClientId("own", own.visitor["ga_client_id"])
    if profile.visitor.get("ga_client_id"):
        return ClientId("borrowed", profile.visitor["ga_client_id"])
    if profile.client_key:
        return ClientId("derived", profile.client_key)
    return ClientId("none", None)

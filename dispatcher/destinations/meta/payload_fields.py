"""Where the fields of a payload for Meta come from, and what of them `outbox preview` may show."""

from __future__ import annotations

from dispatcher.destinations.payload_fields import PayloadFields
from dispatcher.identity.fragments import TRAITS

FIELDS = PayloadFields(
    profile={
        **{f"user_data.{name}": name for name in TRAITS},
        "user_data.client_ip_address": "agent",
        "user_data.client_user_agent": "agent",
        "user_data.fbp": "fbp",
        "user_data.fbc": "fbc",
        "event_source_url": "url",
        "referrer_url": "url",
    },
    keys=frozenset({"user_data.external_id"}),
    of_the_event=frozenset({"event_id", "event_time"}),
    of_the_funnel=frozenset({"event_name"}),
    renamed={
        "content_name": (("details", "content_name"), ("details", "form"), ("details", "product")),
        "content_category": (("details", "content_category"),),
        "lead_source": (("campaign", "source"),),
        "lead_medium": (("campaign", "medium"),),
        "lead_campaign": (("campaign", "campaign"),),
        "lead_content": (("campaign", "content"),),
        "lead_term": (("campaign", "term"),),
        "fb_source": (("campaign", "fb_source"),),
        "fb_loc": (("campaign", "fb_loc"),),
    },
    networks=frozenset({"client_ip_address"}),
    agents=frozenset({"client_user_agent"}),
    browsers=frozenset({"fbp", "fbc"}),
    pages=frozenset({"event_source_url", "referrer_url"}),
    ids=frozenset({"event_id", "transaction_id", "order_id"}),
    parameters=frozenset({"custom_data"}),
)

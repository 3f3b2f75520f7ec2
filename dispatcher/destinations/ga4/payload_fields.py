"""Where the fields of a payload for GA4 come from, and what of them `outbox preview` may show."""

from __future__ import annotations

from dispatcher.consent import CONSENTS
from dispatcher.destinations.payload_fields import PayloadFields
from dispatcher.identity.fragments import GOOGLE_TRAITS

FIELDS = PayloadFields(
    profile={
        "client_id": "ga_client_id",
        **{f"user_data.{name}": name for name in GOOGLE_TRAITS},
        "user_properties.user_email_hash": "sha256_email_address",
        "user_properties.user_phone_hash": "sha256_phone_number",
        "user_properties.user_country": "country",
        **{f"consent.{kind}": kind for kind in CONSENTS},
    },
    account=frozenset({"user_id"}),
    of_the_event=frozenset({"event_id", "timestamp_micros", "handlID"}),
    of_the_funnel=frozenset({"events.name"}),
    renamed={
        "content_category": (("details", "content_category"),),
        "method": (("details", "form"),),
        "items": (("details", "items"), ("details", "product")),
        "transaction_id": (("details", "order_id"),),
        "session_id": (("visitor", "ga_session_id"),),
        "lead_source": (("campaign", "source"),),
        "campaign": (("campaign", "campaign"),),
    },
    browsers=frozenset({"client_id"}),
    ids=frozenset({"event_id", "transaction_id", "order_id"}),
    parameters=frozenset({"params"}),
)

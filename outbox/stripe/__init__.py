"""Stripe's events as conversions, written in the CRM's own transaction. `outbox.stripe.events` has the table.

    import outbox.stripe

    with Session.begin() as session:
        outbox.stripe.record(session, request.body, request.headers["Stripe-Signature"], secret=WEBHOOK_SECRET)

A webhook handler that the CRM has already, and that has verified the event, calls `record_event(session, event)`.
`checkout_metadata(…)` makes the parameters for Checkout by which a payment finds its account and its browser.

Each object counts once, however often and in whatever order Stripe delivers. Persons are sealed before anything reaches
the database. `import outbox` alone imports neither this module nor the package `stripe`.
"""

from outbox.errors import SignatureError
from outbox.stripe.checkout import checkout_metadata
from outbox.stripe.events import conversions_of
from outbox.stripe.recording import RecordingResult, record, record_event, verified
from outbox.stripe.rules import Rules
from outbox.stripe.state import SubscriptionState

__all__ = [
    "RecordingResult",
    "Rules",
    "SignatureError",
    "SubscriptionState",
    "checkout_metadata",
    "conversions_of",
    "record",
    "record_event",
    "verified",
]

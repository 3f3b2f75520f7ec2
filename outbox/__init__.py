"""Record a CRM's conversions in its own transaction. A CRM imports this package only; it never sends anything.

import outbox

with Session.begin() as session:
    session.add(lead)
    outbox.record(session, outbox.LeadSubmitted(lead_id=lead.id, person=outbox.Person(email=…), visitor=visitor))
"""

from outbox.campaign import Campaign
from outbox.conversions import (
    AccountCreated,
    Conversion,
    DemoRequested,
    EmailVerified,
    LeadSubmitted,
    SignedIn,
    SubscriptionPurchased,
    SubscriptionRefunded,
    SubscriptionRenewed,
    SubscriptionUpgraded,
    TrialDownloaded,
    TrialStarted,
)
from outbox.errors import ConnectionTypeError, ConversionError, OutboxError
from outbox.frameworks import (
    visitor_from_aiohttp,
    visitor_from_django,
    visitor_from_flask,
    visitor_from_starlette,
)
from outbox.person import Person
from outbox.record import record
from outbox.visitor import Visitor

__all__ = [
    "AccountCreated",
    "Campaign",
    "ConnectionTypeError",
    "Conversion",
    "ConversionError",
    "DemoRequested",
    "EmailVerified",
    "LeadSubmitted",
    "OutboxError",
    "Person",
    "SignedIn",
    "SubscriptionPurchased",
    "SubscriptionRefunded",
    "SubscriptionRenewed",
    "SubscriptionUpgraded",
    "TrialDownloaded",
    "TrialStarted",
    "Visitor",
    "record",
    "visitor_from_aiohttp",
    "visitor_from_django",
    "visitor_from_flask",
    "visitor_from_starlette",
]

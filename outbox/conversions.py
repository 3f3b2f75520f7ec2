"""Typed conversions: one class per funnel step.

Usage: `outbox.LeadSubmitted(lead_id=lead.id, form="lead-form-ds25", person=outbox.Person(email=…), visitor=visitor)`.
For a step that has no class here, as in another company's funnel, use `outbox.Conversion(name="demo_booked", …)`.

Constructors never raise for a value: one that cannot be used is left out and noted when the conversion is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from outbox.campaign import Campaign
from outbox.person import Person
from outbox.visitor import Visitor

Amount = int | float | Decimal
Key = str | int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Conversion:
    """A funnel step that happened, to be sent to every destination.

    `event_id` is shared with the browser; without one the visitor's (`fb_event_id`) is used, else a new UUID. The same
    (`name`, `event_id`) a second time is the same conversion. `occurred_at` is an aware datetime, by default the time of
    the transaction. `handl_id`, `lead_id` and `account_id` identify the person. `details` is any further data.
    `public`: anybody may have sent it, as from a form on a public page, so that it proves nothing about a person.
    """

    name: str
    event_id: str | None = None
    occurred_at: datetime | None = None
    handl_id: Key | None = None
    lead_id: Key | None = None
    account_id: Key | None = None
    person: Person | None = None
    visitor: Visitor | None = None
    campaign: Campaign | None = None
    consent: Mapping[str, str] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    public: bool = False

    def all_details(self) -> dict[str, Any]:
        """Return `details` and this step's own fields (form, value, …) as one mapping; the step's own fields win."""
        step: Any = type(self)  # mypy doubts that a class with a `__hash__` of its own can be hashed itself
        own = {name: value for name in _own_fields(step) if (value := getattr(self, name)) is not None}
        return {**(self.details or {}), **own}

    def __repr__(self) -> str:
        """Show the step and its id, but no personal data."""
        return f"{type(self).__name__}(name={self.name!r}, event_id={self.event_id!r})"


_COMMON = frozenset(f.name for f in fields(Conversion))


@cache
def _own_fields(step: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(step) if f.name not in _COMMON)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LeadSubmitted(Conversion):
    """A lead form was submitted. `form` names the form, `product` its subject; value in `currency` (ISO 4217)."""

    name: str = field(default="lead_submitted", init=False)
    form: str | None = None
    product: str | None = None
    value: Amount | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TrialDownloaded(Conversion):
    """The trial was downloaded."""

    name: str = field(default="trial_downloaded", init=False)
    form: str | None = None
    product: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AccountCreated(Conversion):
    """An account was created. Its browser (handlID) and leads belong to the same person from here on."""

    name: str = field(default="account_created", init=False)
    account_id: Key
    product: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TrialStarted(Conversion):
    """The first login. `predicted_ltv` is the expected value of the customer in `currency`."""

    name: str = field(default="trial_started", init=False)
    account_id: Key
    product: str | None = None
    predicted_ltv: Amount | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Payment(Conversion):
    """A payment of `value` in `currency` (ISO 4217) under `order_id`, which no other payment shares."""

    name: str
    value: Amount
    currency: str
    order_id: Key
    product: str | None = None
    predicted_ltv: Amount | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SubscriptionPurchased(_Payment):
    """A subscription's first payment, or a one-off payment."""

    name: str = field(default="subscription_purchased", init=False)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SubscriptionRenewed(_Payment):
    """A further period was paid for, without the customer being present; `order_id` is the invoice's."""

    name: str = field(default="subscription_renewed", init=False)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SubscriptionUpgraded(_Payment):
    """An upgrade to a larger plan was paid for."""

    name: str = field(default="subscription_upgraded", init=False)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SubscriptionRefunded(_Payment):
    """A refund: `value` is the amount returned (positive), `order_id` that of the original payment."""

    name: str = field(default="subscription_refunded", init=False)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DemoRequested(Conversion):
    """A conference, demo, dealer or quote form; `content_category` is which of them (by default conference)."""

    name: str = field(default="demo_requested", init=False)
    form: str | None = None
    product: str | None = None
    content_category: str | None = None
    value: Amount | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EmailVerified(Conversion):
    """The link in the verification mail was opened."""

    name: str = field(default="email_verified", init=False)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SignedIn(Conversion):
    """Someone signed in: ties the browser to the account. It is sent to no destination."""

    name: str = field(default="signed_in", init=False)
    account_id: Key

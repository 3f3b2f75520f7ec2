"""The funnel: the name of each conversion at each destination.

One table that a person can compare with the destinations' own lists. It seeds the tables `outbox.step` and
`outbox.route`; another company's funnel replaces it by configuration, not by code.

Standard names at Meta: the Pixel reference (AddPaymentInfo … ViewContent); there is none for a refund, a renewal or a
verified e-mail, so those are custom events. At GA4: `generate_lead`, `sign_up`, `purchase`, `refund` and
`file_download` are recommended events; `start_trial` and `email_verified` are custom.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The name of one step at one destination, with the parameters that are always sent with it."""

    event_name: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One funnel step.

    `targets` maps a destination's name to its target; a destination that is not in it gets nothing (`skipped: no
    route`). `action_source` fixes Meta's action_source where the step decides it. `browser_pair` means that the browser
    sends the same event (same event_name and event_id). `value` and `currency` are the defaults where the event has
    none (owner's spec 4.4: a form's lead is worth `leadValueEstimate || 0` EUR).
    """

    name: str
    targets: dict[str, Target] = field(default_factory=dict)
    action_source: str | None = None
    browser_pair: bool = False
    value: float | None = None
    currency: str | None = None


def _step(name: str, meta: str, ga4: str, *, category: str | None = None, **rest: Any) -> Step:
    fixed = {"content_category": category} if category else {}
    return Step(
        name=name,
        targets={"meta": Target(event_name=meta, parameters=fixed), "ga4": Target(event_name=ga4, parameters=fixed)},
        **rest,
    )


FUNNEL: tuple[Step, ...] = (
    _step("lead_submitted", "Lead", "generate_lead", value=0, currency="EUR"),
    _step("trial_downloaded", "Lead", "file_download", category="trial-download", value=0, currency="EUR"),
    _step("account_created", "CompleteRegistration", "sign_up"),
    _step("trial_started", "StartTrial", "start_trial"),
    _step("subscription_purchased", "Purchase", "purchase"),
    _step("subscription_renewed", "Subscribe", "purchase", action_source="system_generated"),
    _step("subscription_upgraded", "Purchase", "purchase"),
    _step("subscription_refunded", "Refund", "refund"),
    _step("demo_requested", "Lead", "generate_lead", category="conference", value=0, currency="EUR"),
    _step("email_verified", "EmailVerified", "email_verified"),
    Step(name="signed_in"),  # ties a browser to an account; sent to no destination
)

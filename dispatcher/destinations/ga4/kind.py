"""The kind `ga4`: web streams at GA4's Measurement Protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from dispatcher.destinations.base import Destination
from dispatcher.destinations.checks import Ask
from dispatcher.destinations.ga4 import doctor, event_names
from dispatcher.destinations.ga4.explanations import EXPLANATIONS
from dispatcher.destinations.ga4.limits import LIMITS
from dispatcher.destinations.ga4.match_quality import QUALITY
from dispatcher.destinations.ga4.payload_fields import FIELDS
from dispatcher.destinations.ga4.settings import GA4Settings
from dispatcher.destinations.kind import Configured, DestinationKind
from dispatcher.findings import Finding


class GA4Kind(DestinationKind[GA4Settings]):
    """GA4."""

    name = "ga4"
    label = "GA4"
    operator = "Google"
    account_label = "Stream"
    settings = GA4Settings
    id = "measurement_id"
    secret = "secret"  # noqa: S105 - the name of a setting
    is_default = True
    position = 2
    # `generate_lead`, `sign_up`, `purchase`, `refund` and `file_download` are recommended events; `start_trial` and
    # `email_verified` are custom.
    routes: ClassVar[Mapping[str, str]] = {
        "lead_submitted": "generate_lead",
        "trial_downloaded": "file_download",
        "account_created": "sign_up",
        "trial_started": "start_trial",
        "subscription_purchased": "purchase",
        "subscription_renewed": "purchase",
        "subscription_upgraded": "purchase",
        "subscription_refunded": "refund",
        "demo_requested": "generate_lead",
        "email_verified": "email_verified",
    }
    hosts = ("google-analytics.com",)
    limits = LIMITS
    without_consent = "gets events without identity"
    paid = frozenset({"purchase", "refund"})
    order_use = "to recognise repeats and to match a refund to its purchase"
    quality = QUALITY
    fields = FIELDS
    log_rules = doctor.LOG_RULES
    explanations = EXPLANATIONS
    sandbox = "dispatcher.sandbox.ga4.stand_in"

    def event_name_problem(self, name: str) -> str | None:
        """Return what is wrong with the name of an event."""
        return event_names.problem(name)

    def parameter_name_problem(self, name: str) -> str | None:
        """Return what is wrong with the name of a parameter."""
        return event_names.parameter_problem(name)

    def create(self, here: Configured[GA4Settings]) -> Destination:
        """Return what builds and sends."""
        from dispatcher.destinations.ga4.destination import GA4  # noqa: PLC0415 - only what sends needs it

        return GA4(here)

    def check_live(self, here: Configured[GA4Settings], ask: Ask) -> AsyncIterator[Finding]:
        """Have an example event of each step validated."""
        return doctor.check_live(here, ask)


KIND = GA4Kind()

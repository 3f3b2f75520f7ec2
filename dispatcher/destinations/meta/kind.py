"""The kind `meta`: pixels (datasets) at Meta's Conversions API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import date
from typing import ClassVar

from dispatcher.destinations.base import Destination
from dispatcher.destinations.checks import Ask
from dispatcher.destinations.kind import TOKEN, VERSION, Configured, Deadline, DestinationKind
from dispatcher.destinations.match_quality import OwnScores
from dispatcher.destinations.meta import doctor, event_names
from dispatcher.destinations.meta.explanations import EXPLANATIONS, PATTERNS
from dispatcher.destinations.meta.limits import LIMITS
from dispatcher.destinations.meta.match_quality import QUALITY
from dispatcher.destinations.meta.payload_fields import FIELDS
from dispatcher.destinations.meta.settings import MetaSettings
from dispatcher.destinations.meta.versions import end_of
from dispatcher.findings import Finding


class MetaKind(DestinationKind[MetaSettings]):
    """Meta."""

    name = "meta"
    label = "Meta"
    account_label = "Pixel"
    settings = MetaSettings
    id = "pixel_id"
    secret = "token"  # noqa: S105 - the name of a setting
    is_default = True
    position = 1
    # Standard names: the Pixel reference (AddPaymentInfo … ViewContent); there is none for a refund, a renewal or a verified
    # e-mail, so those are custom events.
    routes: ClassVar[Mapping[str, str]] = {
        "lead_submitted": "Lead",
        "trial_downloaded": "Lead",
        "account_created": "CompleteRegistration",
        "trial_started": "StartTrial",
        "subscription_purchased": "Purchase",
        "subscription_renewed": "Subscribe",
        "subscription_upgraded": "Purchase",
        "subscription_refunded": "Refund",
        "demo_requested": "Lead",
        "email_verified": "EmailVerified",
    }
    hosts = ("facebook.com",)
    limits = LIMITS
    without_consent = "gets nothing"
    paid = frozenset({"Purchase"})
    quality = QUALITY
    fields = FIELDS
    log_rules = doctor.LOG_RULES
    explanations = EXPLANATIONS
    patterns = PATTERNS
    sandbox = "dispatcher.sandbox.meta.stand_in"

    def event_name_problem(self, name: str) -> str | None:
        """Return what is wrong with the name of an event."""
        return event_names.problem(name)

    def create(self, here: Configured[MetaSettings]) -> Destination:
        """Return what builds and sends."""
        from dispatcher.destinations.meta.destination import Meta  # noqa: PLC0415 - only what sends needs it

        return Meta(here)

    def check(self, here: Configured[MetaSettings], today: date) -> Iterator[Finding]:
        """Check version and test code."""
        return doctor.check(here, today, is_real=self.is_real(self.address(here.settings)))

    def check_funnel(self, names: frozenset[str]) -> Iterator[Finding]:
        """Report the custom events."""
        return doctor.check_funnel(names)

    def check_live(self, here: Configured[MetaSettings], ask: Ask) -> AsyncIterator[Finding]:
        """Send a test event, if there is a test code."""
        return doctor.check_live(here, ask)

    async def own_scores(self, settings: MetaSettings, *, seconds: float) -> OwnScores | None:
        """Return Meta's Event Match Quality."""
        from dispatcher.destinations.meta.dataset_quality import own_scores  # noqa: PLC0415 - it makes requests

        return await own_scores(settings, seconds=seconds)

    def deadlines(self, settings: MetaSettings, token_expires: date | None) -> Iterator[Deadline]:
        """Return the end of the token and of the version of the API."""
        if token_expires:
            yield Deadline(
                TOKEN, str(token_expires), "Meta's access token", token_expires, f"renew {self.variable(self.secret)}"
            )
        version = settings.api_version
        if ends := end_of(version):
            do = f"set {self.variable('api_version')} to a newer one"
            yield Deadline(VERSION, version, f"version {version} of Meta's API", ends, do)


KIND = MetaKind()

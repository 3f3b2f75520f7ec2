"""`DestinationKind`: all that the dispatcher knows of a kind of destination, in one object for each.

A package of a kind has a module `kind` with a subclass of this and an instance of it, `KIND`; `dispatcher.config.kinds` finds
it. Nothing else names a kind. The module stays light, so that configuration and pages may load it: it imports what makes
requests only inside the methods that do.

    dispatcher/destinations/<kind>/     kind, payload, responses, …
    dispatcher/sandbox/<kind>/          STAND_IN: the rules of its stand-in, how an arrival is shown, its part of the demo
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import date
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import urlsplit

import msgspec

from dispatcher.config.kinds import KindConfig
from dispatcher.config.settings import KindSettings
from dispatcher.destinations.base import Destination, Limits
from dispatcher.destinations.checks import Ask, Rule
from dispatcher.destinations.match_quality import MatchQuality, OwnScores
from dispatcher.destinations.payload_fields import PayloadFields
from dispatcher.findings import Finding, ok
from dispatcher.reasons import Explanation, Pattern
from outbox.taxonomy import Step

S = TypeVar("S", bound=KindSettings)


class Configured(msgspec.Struct, Generic[S], frozen=True):
    """One destination as it is configured here.

    `settings`: those of its kind, as they apply to it. `variable`: the environment variable of its secret. `steps`: the steps
    that are sent to it. `consent_default`: what counts where an event states no consent. `lead_prefix`: what stands before
    a lead id that is sent as an identifier.
    """

    name: str
    settings: S
    variable: str
    consent_default: str = "granted"
    lead_prefix: str = "lead:"
    steps: tuple[Step, ...] = ()


class Deadline(msgspec.Struct, frozen=True):
    """Something that ends on a day, of which alerts remind beforehand.

    `alert`: the kind of alert. `subject`: what tells it from others of that kind. `what`: as the sentence begins.
    """

    alert: str
    subject: str
    what: str
    ends: date
    do: str


TOKEN, VERSION = "token", "version"
"""The alerts of deadlines: a token, or the version of an API, is about to expire."""


class DestinationKind(KindConfig, ABC, Generic[S]):
    """A kind of destination; the first part of it is in `KindConfig`.

    `operator`: the company that runs it; empty: the label. `account_label`: what the account there is called. `hosts`: the
    domains of the destination itself; any other address is a stand-in. `limits`: windows, batches, and for how long a repeat
    is recognised: `Limits.repeat` says what a repeat means there, and with it whether events are sent again after a merge or
    only the merge is reported.
    `without_consent`: what it gets of a person who has not consented. `paid`: names of events that are payments; `order_use`:
    what the order id is for. `quality`: identifiers and advice. `fields`: what preview must know of its payloads.
    `log_rules`: what `outbox doctor` looks for in the newest events. `explanations`, `patterns`: the reasons that only this
    kind gives. `sandbox`: the module with its `STAND_IN`; empty: there is none.
    """

    operator: ClassVar[str] = ""
    account_label: ClassVar[str]
    hosts: ClassVar[tuple[str, ...]] = ()
    limits: ClassVar[Limits]
    without_consent: ClassVar[str] = "gets nothing"
    paid: ClassVar[frozenset[str]] = frozenset()
    order_use: ClassVar[str] = ""
    quality: ClassVar[MatchQuality] = MatchQuality()
    fields: ClassVar[PayloadFields] = PayloadFields()
    log_rules: ClassVar[tuple[Rule, ...]] = ()
    explanations: ClassVar[Mapping[str, Explanation]] = {}
    patterns: ClassVar[tuple[Pattern, ...]] = ()
    sandbox: ClassVar[str] = ""

    @abstractmethod
    def create(self, here: Configured[S]) -> Destination:
        """Return what builds and sends."""

    def check(self, here: Configured[S], today: date) -> Iterator[Finding]:  # noqa: ARG002
        """Return what `outbox doctor` finds in its settings, beside secret and address."""
        return iter(())

    def check_funnel(self, names: frozenset[str]) -> Iterator[Finding]:  # noqa: ARG002
        """Return what `outbox doctor` finds in the event names that are configured for it."""
        return iter(())

    def check_live(self, here: Configured[S], ask: Ask) -> AsyncIterator[Finding]:
        """Return what `outbox doctor --live` finds by asking the destination itself; by default, whether it responds."""
        return self._check_reachable(here, ask)

    async def _check_reachable(self, here: Configured[S], ask: Ask) -> AsyncIterator[Finding]:
        reply = await ask("GET", self.address(here.settings))
        yield ok(f"{here.name}: live", f"{self.label} can be reached (HTTP {reply.status}).")

    async def own_scores(self, settings: S, *, seconds: float) -> OwnScores | None:  # noqa: ARG002
        """Return the match quality that the destination itself reports; None if it never does. Never raise for the network."""
        return None

    def deadlines(self, settings: S, token_expires: date | None) -> Iterator[Deadline]:  # noqa: ARG002
        """Return what ends on a known day; `token_expires` is what `[schedule]` states."""
        return iter(())

    def address(self, settings: Any) -> str:
        """Return the base address."""
        return str(getattr(settings, self.base_url))

    def is_real(self, address: str) -> bool:
        """Return True if an address belongs to the destination itself, not to a stand-in."""
        host = urlsplit(address).hostname or ""
        return any(host == own or host.endswith(f".{own}") for own in self.hosts)

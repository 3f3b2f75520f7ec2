"""Checks of the newest events: what they contain and what is missing. Pure.

A rule has a threshold (a share of the newest events of the steps that it applies to), a sentence, and what to do. The
checks see counts only, never values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Any

from dispatcher.config import Config
from dispatcher.destinations import registry
from dispatcher.destinations.checks import Rule, StepCounts
from dispatcher.destinations.kind import DestinationKind
from dispatcher.findings import Finding, error, ok, warning

NEWEST = 1000
"""How many events are checked."""
FEW = 20
"""Fewer events than this say nothing about what is usual."""


def _events(step: StepCounts) -> int:
    return step.events


RULES: tuple[Rule, ...] = (
    Rule(
        "identity", lambda step: step.keyless, _events, 0.05,
        "have no handlID, lead or account, so nothing learned later can enrich them",
        "Record lead_id or account_id with each conversion, and handl_id from the browser script (docs/browser.md).",
    ),
    Rule(
        "e-mail", lambda step: step.events - step.email, _events, 0.5,
        "have no e-mail address, the identifier that matches best",
        "Record person.email wherever the CRM has it. It is hashed before it is stored.",
    ),
    Rule(
        "user agent", lambda step: step.robot, lambda step: step.seen, 0.05,
        "have the user agent of a program instead of the visitor's browser",
        "Pass the visitor's own request to outbox.Visitor, not a request made by your server (docs/python.md).",
    ),
    Rule(
        "IP address", lambda step: step.internal, lambda step: step.address, 0.01,
        "have an internal IP address, which belongs to a proxy",
        "List your proxies in [serve] trusted_proxies and ip_headers, or pass trusted_proxies to outbox.Visitor.",
    ),
    Rule(
        "IP address", lambda step: step.busiest or 0, lambda step: step.address, 0.5,
        "have the same IP address, probably that of a proxy",
        "List your proxies in [serve] trusted_proxies and ip_headers, or pass trusted_proxies to outbox.Visitor.",
    ),
    Rule(
        "phone numbers", lambda step: step.phoneless, _events, 0.02,
        "had a phone number that was left out: it is invalid or its country is unknown",
        "Set OUTBOX_PHONE_REGION for the CRM too, or record person.country. The event's notes give the reason.",
    ),
    Rule(
        "left out", lambda step: step.noted, _events, 0.05,
        "had an unusable value that was left out",
        "SELECT notes, count(*) FROM outbox.event WHERE notes IS NOT NULL GROUP BY notes; shows which and why.",
    ),
    Rule(
        "late", lambda step: step.late, _events, 0.01,
        "were recorded more than a day after they occurred: destinations attribute late events poorly",
        "Record each conversion in the transaction that creates it, and check the CRM's clock and time zone.",
    ),
    Rule(
        "early", lambda step: step.early, _events, 0.0,
        "were recorded with a time in the future",
        "Check the CRM's clock, and that its timestamps include a time zone. Without one they are read as UTC.",
    ),
)  # fmt: skip


def check(counts: Sequence[StepCounts], config: Config, *, consent_default: str) -> Iterator[Finding]:
    """Report what the newest events lack."""
    events = sum(step.events for step in counts)
    if not events:
        yield warning("log", "Nothing has been recorded yet.", "Record a conversion: README, “Record a conversion”.")
        return
    yield from _unknown(counts, config)
    if events < FEW:
        yield ok("log", f"Only {events} events so far: too few to judge what they usually lack.")
        return
    found = [*_rules(counts, config), *_orders(counts, config), *_pairs(counts, config)]
    found += _consent(counts, consent_default)
    yield from found or [ok("log", f"The newest {events} events contain what they should.")]


def _rules(counts: Sequence[StepCounts], config: Config) -> Iterator[Finding]:
    routed = [step for step in counts if step.step in _routed(config)]
    kinds = _kinds(config)
    for rule in chain(RULES, *(kind.log_rules for kind in kinds)):
        of = sum(map(rule.of, routed))
        count = sum(map(rule.count, routed))
        if of >= FEW and count > rule.threshold * of:
            yield warning(rule.check, f"{count} of the newest {of} {rule.says}.", rule.do)


def _unknown(counts: Sequence[StepCounts], config: Config) -> Iterator[Finding]:
    known = {step.name for step in config.steps}
    if unknown := sorted(step.step for step in counts if step.step not in known):
        yield warning(
            "steps",
            f"Recorded but sent nowhere, because the funnel does not contain them: {', '.join(unknown)}.",
            "Add them to outbox.toml, or stop recording them.",
        )


def _orders(counts: Sequence[StepCounts], config: Config) -> Iterator[Finding]:
    kinds = _kinds(config)
    names = frozenset().union(*(kind.paid for kind in kinds))
    paid = {step.name for step in config.steps if names & {target.event_name for target in step.targets.values()}}
    found = [step for step in counts if step.step in paid and step.orderless]
    uses = " ".join(f"{kind.label} needs it {kind.order_use}." for kind in kinds if kind.order_use)
    if count := sum(step.orderless for step in found):
        yield warning(
            "orders",
            f"{count} of the newest {sum(step.events for step in found)} payments have no order_id. {uses}".rstrip(),
            "Record details.order_id (Stripe: the invoice's id).",
        )


def _pairs(counts: Sequence[StepCounts], config: Config) -> Iterator[Finding]:
    pairs = {step.name for step in config.steps if step.browser_pair}
    for step in counts:
        if step.step in pairs and step.events >= FEW and step.fbp < step.events / 2:
            yield error(
                "browser pairs",
                f"{step.step} is configured as sent by the browser too, but {step.events - step.fbp} of {step.events} "
                "have no fbp, so no pixel ran. Late events are skipped in favour of a browser copy that does not exist.",
                "Remove browser_pair from the step in outbox.toml, unless the pixel sends the same name and event_id.",
            )


def _consent(counts: Sequence[StepCounts], default: str) -> list[Finding]:
    stated, events = sum(step.consented for step in counts), sum(step.events for step in counts)
    if stated or default != "granted":
        return []
    return [
        warning(
            "consent",
            f"None of the newest {events} events states consent, so it counts as granted.",
            "Pass consent.ad_user_data from your consent banner (needed in the EEA, the UK and Switzerland), or set "
            "OUTBOX_CONSENT_DEFAULT=denied.",
        )
    ]


def _routed(config: Config) -> Collection[str]:
    return {step.name for step in config.steps if step.targets}


def _kinds(config: Config) -> list[DestinationKind[Any]]:
    """Return the kinds of the configured destinations."""
    configured = {account.kind for account in config.accounts}
    return [kind for kind in registry.kinds().values() if kind.name in configured]

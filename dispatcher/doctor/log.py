"""The newest events: what they carry and what they lack. Pure.

Each rule is a share of the newest events of the steps it is about, a sentence, and what to do. Counts only are looked at,
never a value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import msgspec

from dispatcher.config import Config
from dispatcher.doctor.finding import Finding, bad, ok, warn

NEWEST = 1000
"""So many events are looked at."""
FEW = 20
"""Fewer say nothing about how things usually are."""
MONEY = frozenset({"Purchase", "purchase", "refund"})


class Carried(msgspec.Struct, frozen=True):
    """How many of the newest events of one step carry what; the names of the query `doctor_log`."""

    step: str
    events: int
    keyless: int = 0
    email: int = 0
    seen: int = 0
    fbp: int = 0
    client: int = 0
    session: int = 0
    address: int = 0
    internal: int = 0
    robot: int = 0
    consented: int = 0
    orderless: int = 0
    late: int = 0
    early: int = 0
    phoneless: int = 0
    noted: int = 0
    busiest: int | None = None


class Rule(msgspec.Struct, frozen=True):
    """What is looked for: `count` of `of`, if that is more than `least` of them."""

    check: str
    count: Callable[[Carried], int]
    of: Callable[[Carried], int]
    least: float
    says: str
    do: str


def _events(found: Carried) -> int:
    return found.events


RULES: tuple[Rule, ...] = (
    Rule(
        "identity", lambda found: found.keyless, _events, 0.05,
        "carry no handlID, lead or account, so that nothing learnt later can enrich them",
        "Record lead_id or account_id with each conversion, and handl_id from the browser's script (docs/browser.md).",
    ),
    Rule(
        "e-mail", lambda found: found.events - found.email, _events, 0.5,
        "tell no e-mail address, which matches best",
        "Record person.email wherever the CRM has it; it is hashed before it is stored.",
    ),
    Rule(
        "user agent", lambda found: found.robot, lambda found: found.seen, 0.05,
        "carry the user agent of a program instead of the visitor's browser",
        "Pass the visitor's own request to outbox.Visitor, not one that a server of yours makes (docs/python.md).",
    ),
    Rule(
        "IP address", lambda found: found.internal, lambda found: found.address, 0.01,
        "carry an internal address, which is a proxy's",
        "Name your proxies in [serve] trusted_proxies and ip_headers, or pass trusted_proxies to outbox.Visitor.",
    ),
    Rule(
        "IP address", lambda found: found.busiest or 0, lambda found: found.address, 0.5,
        "carry one and the same address, probably a proxy's",
        "Name your proxies in [serve] trusted_proxies and ip_headers, or pass trusted_proxies to outbox.Visitor.",
    ),
    Rule(
        "Meta browser id", lambda found: found.seen - found.fbp, lambda found: found.seen, 0.5,
        "were seen in a browser and carry no fbp (cookie _fbp)",
        "Load Meta's pixel on these pages, and pass the cookies to outbox.Visitor or the form's script (docs/browser.md).",
    ),
    Rule(
        "GA4 client id", lambda found: found.seen - found.client, lambda found: found.seen, 0.5,
        "were seen in a browser and carry no GA4 client id: their source shows as (not set)",
        "Load gtag on these pages, and pass the cookie _ga along (docs/browser.md).",
    ),
    Rule(
        "GA4 session", lambda found: found.client - found.session, lambda found: found.client, 0.5,
        "carry a GA4 client id and no session: they show as Unassigned",
        "Pass the cookie _ga_<stream> along too; with several streams, name yours (ga_stream).",
    ),
    Rule(
        "phone numbers", lambda found: found.phoneless, _events, 0.02,
        "had a phone number that was left out, as it cannot be or its country is not known",
        "Set OUTBOX_PHONE_REGION for the CRM too, or record person.country; the event's notes say why.",
    ),
    Rule(
        "left out", lambda found: found.noted, _events, 0.05,
        "had a value that cannot be used, and was left out",
        "SELECT notes, count(*) FROM outbox.event WHERE notes IS NOT NULL GROUP BY notes; says which and why.",
    ),
    Rule(
        "late", lambda found: found.late, _events, 0.01,
        "were recorded more than a day after they happened: Meta and GA4 attribute those badly",
        "Record a conversion in the transaction that makes it; see the CRM's clock and time zone.",
    ),
    Rule(
        "early", lambda found: found.early, _events, 0.0,
        "happened in the future when they were recorded",
        "See the CRM's clock, and that its times carry their zone; a time without one is read as UTC.",
    ),
)  # fmt: skip


def check(carried: Sequence[Carried], config: Config, *, consent_default: str) -> Iterator[Finding]:
    """Say what the newest events lack."""
    events = sum(found.events for found in carried)
    if not events:
        yield warn("log", "Nothing has been recorded yet.", "Record a conversion: README, “For the CRM developer”.")
        return
    yield from _unknown(carried, config)
    if events < FEW:
        yield ok("log", f"Only {events} events so far: too few to say what they usually lack.")
        return
    found = [*_rules(carried, config), *_money(carried, config), *_pairs(carried, config)]
    found += _consent(carried, consent_default)
    yield from found or [ok("log", f"The newest {events} events carry what they should.")]


def _rules(carried: Sequence[Carried], config: Config) -> Iterator[Finding]:
    told = [found for found in carried if found.step in _told(config)]
    for rule in RULES:
        of = sum(map(rule.of, told))
        count = sum(map(rule.count, told))
        if of >= FEW and count > rule.least * of:
            yield warn(rule.check, f"{count} of the newest {of} {rule.says}.", rule.do)


def _unknown(carried: Sequence[Carried], config: Config) -> Iterator[Finding]:
    known = {step.name for step in config.steps}
    if unknown := sorted(found.step for found in carried if found.step not in known):
        yield warn(
            "steps",
            f"Recorded and told to nobody, as the funnel does not name them: {', '.join(unknown)}.",
            "Add them to outbox.toml, or stop recording them.",
        )


def _money(carried: Sequence[Carried], config: Config) -> Iterator[Finding]:
    paid = {step.name for step in config.steps if MONEY & {target.event_name for target in step.targets.values()}}
    found = [step for step in carried if step.step in paid and step.orderless]
    if count := sum(step.orderless for step in found):
        yield warn(
            "orders",
            f"{count} of the newest {sum(step.events for step in found)} payments carry no order_id, by which GA4 knows a "
            "repeated one and a refund finds its purchase.",
            "Record details.order_id (Stripe: the invoice's id).",
        )


def _pairs(carried: Sequence[Carried], config: Config) -> Iterator[Finding]:
    pairs = {step.name for step in config.steps if step.browser_pair}
    for found in carried:
        if found.step in pairs and found.events >= FEW and found.fbp < found.events / 2:
            yield bad(
                "browser pairs",
                f"{found.step} is said to be sent by the browser too, yet {found.events - found.fbp} of {found.events} "
                "carry no fbp, so no pixel ran: what is late is left to a browser's copy that is not there.",
                "Take browser_pair from the step in outbox.toml, unless the pixel sends the same name and event_id.",
            )


def _consent(carried: Sequence[Carried], default: str) -> list[Finding]:
    stated, events = sum(found.consented for found in carried), sum(found.events for found in carried)
    if stated or default != "granted":
        return []
    return [
        warn(
            "consent",
            f"None of the newest {events} events states a consent, and it counts as granted.",
            "Pass consent.ad_user_data from your consent banner (needed in the EEA, the UK and Switzerland), or set "
            "OUTBOX_CONSENT_DEFAULT=denied.",
        )
    ]


def _told(config: Config) -> Collection[str]:
    return {step.name for step in config.steps if step.targets}

"""What `outbox doctor` checks at GA4: with `--live`, what its debug endpoint, which records nothing, says to an event of each step."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from dispatcher.destinations.base import Payload, Reply
from dispatcher.destinations.checks import Ask, Rule
from dispatcher.destinations.ga4.settings import GA4Settings
from dispatcher.destinations.kind import Configured
from dispatcher.findings import Finding, error, ok
from dispatcher.identity.profile import profile_from_event
from dispatcher.models import Delivery, Event, Route
from outbox.taxonomy import Step

TEST_PERSON = "conversion-outbox doctor"

LOG_RULES: tuple[Rule, ...] = (
    Rule(
        "GA4 client id", lambda step: step.seen - step.client, lambda step: step.seen, 0.5,
        "come from a browser but have no GA4 client id: GA4 shows their source as (not set)",
        "Load gtag on these pages, and pass the cookie _ga (docs/browser.md).",
    ),
    Rule(
        "GA4 session", lambda step: step.client - step.session, lambda step: step.client, 0.5,
        "have a GA4 client id but no session: GA4 shows them as Unassigned",
        "Also pass the cookie _ga_<stream>. With several streams, name yours (ga_stream).",
    ),
)  # fmt: skip


async def check_live(here: Configured[GA4Settings], ask: Ask) -> AsyncIterator[Finding]:
    """Have an example event of each step validated."""
    name, settings = f"{here.name}: live", here.settings
    query = {"measurement_id": settings.measurement_id, "api_secret": settings.secret.reveal()}
    problems: dict[str, str] = {}
    for step in here.steps:
        address = f"{settings.base_url.rstrip('/')}/debug/mp/collect"
        reply = await ask("POST", address, _example(step, here), query=query)
        if problem := _problem(reply):
            problems[step.name] = problem
    if not here.steps:
        yield ok(name, "No step is sent to it.")
        return
    for step_name, problem in problems.items():
        event_name = next(step.targets[here.name].event_name for step in here.steps if step.name == step_name)
        yield error(
            name,
            f"GA4 would reject {step_name} ({event_name}): {problem}.",
            f"Give {step_name} another name or other parameters for {here.name} in outbox.toml.",
        )
    if not problems:
        yield ok(name, f"GA4 accepts all {len(here.steps)} steps. It never reports whether the API secret is right.")


def _example(step: Step, here: Configured[GA4Settings]) -> dict[str, Any]:
    """Return the request for an example event of a step, as it would be sent, with strict validation."""
    from dispatcher.destinations.ga4.destination import build  # noqa: PLC0415 - only with --live

    now = datetime.now(UTC)
    event = Event(
        0,
        now,
        now,
        step.name,
        "doctor",
        account_id=TEST_PERSON,
        details={"value": 1, "currency": "EUR", "order_id": "doctor"},
    )
    target = step.targets[here.name]
    route = Route(target.event_name, target.parameters, value=step.value, currency=step.currency)
    built = build(Delivery(event), profile_from_event(event), route, now, consent_default=here.consent_default)
    assert isinstance(built, Payload)
    envelope: dict[str, Any] = msgspec.json.decode(built.envelope)
    return envelope | {
        "validation_behavior": "ENFORCE_RECOMMENDATIONS",
        "events": [msgspec.json.decode(built.body)],
    }


def _problem(reply: Reply) -> str | None:
    """Return what the debug endpoint rejects: the field and the code of each mistake, without its message texts."""
    if reply.status != 200:
        return f"its debug endpoint answers {reply.status}"
    try:
        messages = msgspec.json.decode(reply.body, type=_Validation).validationMessages
    except msgspec.MsgspecError:
        return "its debug endpoint's answer cannot be read"
    return "; ".join(f"{message.fieldPath or 'request'} {message.validationCode}" for message in messages[:3]) or None


class _Message(msgspec.Struct):
    fieldPath: str = ""  # noqa: N815 - GA4's own name
    validationCode: str = ""  # noqa: N815 - GA4's own name


class _Validation(msgspec.Struct):
    validationMessages: list[_Message] = []  # noqa: N815 - GA4's own name

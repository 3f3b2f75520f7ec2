"""Checks of Meta and Google themselves: can they be reached, do the clocks agree, what do they answer to a test.

GA4's debug endpoint records nothing. Meta is sent one event with a custom name, and only with the test code. Events
with a test code count like any other, but no campaign optimises for this name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import msgspec

from dispatcher.config import Account, Config
from dispatcher.config.settings import Settings
from dispatcher.destinations.base import Outcome, Payload
from dispatcher.destinations.ga4 import destination as ga4
from dispatcher.destinations.http_client import MAX_REPLY, Reply
from dispatcher.destinations.meta.responses import classify
from dispatcher.destinations.sanitize import hash_key
from dispatcher.doctor.finding import Finding, error, ok, warning
from dispatcher.doctor.server import check_clock
from dispatcher.identity.profile import profile_from_event
from dispatcher.models import Delivery, Event, Route
from dispatcher.reasons import explain
from outbox.taxonomy import Step

TIMEOUT = aiohttp.ClientTimeout(total=15)
TEST_EVENT = "OutboxDoctor"
"""Not a standard event, so no campaign optimises for it."""
TEST_PERSON = "conversion-outbox doctor"


async def check(settings: Settings, config: Config) -> AsyncIterator[Finding]:
    """Send a test request to each configured destination."""
    async with aiohttp.ClientSession(timeout=TIMEOUT, trust_env=False) as session:
        for account in config.accounts:
            ask = _meta if account.kind == "meta" else _ga4
            try:
                async for finding in ask(session, account, account.apply(settings), config):
                    yield finding
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as failure:
                yield error(
                    f"{account.name}: live",
                    f"It cannot be reached from this machine ({type(failure).__name__}).",
                    "Check DNS, firewall and proxy.",
                )


async def _meta(
    session: aiohttp.ClientSession, account: Account, settings: Settings, _: Config
) -> AsyncIterator[Finding]:
    name = f"{account.name}: live"
    address = f"{settings.meta_base_url.rstrip('/')}/{settings.meta_api_version}/{settings.meta_pixel_id}"
    if not settings.meta_token or not settings.meta_test_code:
        reply = await _ask(session, "GET", settings.meta_base_url)
        yield _clock(account, reply)
        lacking = "token" if not settings.meta_token else "test code"
        yield warning(
            name,
            f"Meta can be reached. Its token was not tested because no {lacking} is set.",
            "Set META_CAPI_TEST_CODE (Events Manager, Test Events) for this one command: `outbox doctor --live` then "
            "sends one event with it.",
        )
        return
    event = {
        "event_name": TEST_EVENT,
        "event_time": int(datetime.now(UTC).timestamp()),
        "event_id": f"doctor-{datetime.now(UTC).timestamp():.0f}",
        "action_source": "other",
        "user_data": {"external_id": [hash_key(TEST_PERSON)]},
    }
    reply = await _ask(
        session,
        "POST",
        f"{address}/events",
        {"data": [event], "test_event_code": settings.meta_test_code},
        {"Authorization": f"Bearer {settings.meta_token.reveal()}"},
    )
    yield _clock(account, reply)
    response = classify(reply, sent=1)
    if response.outcome is Outcome.DELIVERED:
        yield ok(name, f"Meta accepted a test event ({TEST_EVENT}). See Events Manager, Test Events.")
    else:
        explained = explain(response.reason, secret=account.secret_variable or "META_CAPI_TOKEN")
        codes = f" ({response.code}/{response.subcode})" if response.code else ""
        yield error(name, f"Meta rejected a test event: {response.reason}{codes}. {explained.says}", explained.do)
    if "X-Ad-Api-Version-Warning" in reply.headers:
        yield warning(
            f"{account.name}: API version",
            f"Meta warns that {settings.meta_api_version} will end soon.",
            "Set META_API_VERSION to a current version and restart.",
        )


async def _ga4(
    session: aiohttp.ClientSession, account: Account, settings: Settings, config: Config
) -> AsyncIterator[Finding]:
    name = f"{account.name}: live"
    query = {"measurement_id": settings.ga4_measurement_id, "api_secret": settings.ga4_secret.reveal()}
    steps = [step for step in config.steps if account.name in step.targets]
    problems: dict[str, str] = {}
    reply = None
    for step in steps:
        reply = await _ask(
            session,
            "POST",
            f"{settings.ga4_base_url.rstrip('/')}/debug/mp/collect",
            _example(step, account.name, settings),
            query=query,
        )
        if problem := _problem(reply):
            problems[step.name] = problem
    if reply is None:
        yield ok(name, "No step is sent to it.")
        return
    yield _clock(account, reply)
    for step_name, problem in problems.items():
        event_name = next(step.targets[account.name].event_name for step in steps if step.name == step_name)
        yield error(
            name,
            f"GA4 would reject {step_name} ({event_name}): {problem}.",
            f"Give {step_name} another name or other parameters for {account.name} in outbox.toml.",
        )
    if not problems:
        yield ok(name, f"GA4 accepts all {len(steps)} steps. It never reports whether the API secret is right.")


def _example(step: Step, destination: str, settings: Settings) -> dict[str, Any]:
    """Return the request for an example event of a step, as it would be sent, with strict validation."""
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
    target = step.targets[destination]
    route = Route(target.event_name, target.parameters, value=step.value, currency=step.currency)
    built = ga4.build(Delivery(event), profile_from_event(event), route, now, consent_default=settings.consent_default)
    assert isinstance(built, Payload)
    envelope: dict[str, Any] = msgspec.json.decode(built.envelope)
    return envelope | {
        "validation_behavior": "ENFORCE_RECOMMENDATIONS",
        "events": [msgspec.json.decode(built.body)],
    }


def _problem(reply: Reply) -> str | None:
    """Return what GA4's debug endpoint rejects: the field and the code of each mistake, without its message texts."""
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


def _clock(account: Account, reply: Reply) -> Finding:
    """Compare this machine's clock with the Date header of a reply, which has a resolution of one second."""
    name = f"{account.name}: clock"
    try:
        theirs = parsedate_to_datetime(reply.headers["Date"])
    except (KeyError, ValueError):
        return ok(name, "Its reply has no Date header.")
    offset = theirs.astimezone(UTC) + timedelta(seconds=0.5) - datetime.now(UTC)
    return check_clock(name, offset, "Meta" if account.kind == "meta" else "Google")


async def _ask(
    session: aiohttp.ClientSession,
    method: str,
    address: str,
    content: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    query: Mapping[str, str] | None = None,
) -> Reply:
    body = None if content is None else msgspec.json.encode(content)
    headers = {"Content-Type": "application/json", **(headers or {})}
    async with session.request(
        method, address, data=body, headers=headers, params=query, allow_redirects=False
    ) as reply:
        return Reply(reply.status, reply.headers, await reply.content.read(MAX_REPLY))

"""Meta and Google themselves: whether they are reached, what time they have, and what they say to a test.

GA4's debug endpoint records nothing. Meta is sent one event of an own name, and only with the test code: events with it
count like any other, but nothing optimises on this name.
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
from dispatcher.doctor.finding import Finding, bad, ok, warn
from dispatcher.doctor.server import check_clock
from dispatcher.identity.profile import profile_from_event
from dispatcher.models import Delivery, Event, Route
from dispatcher.reasons import explain
from outbox.taxonomy import Step

TIMEOUT = aiohttp.ClientTimeout(total=15)
TEST_EVENT = "OutboxDoctor"
"""No standard event: nothing optimises on it."""
NOBODY = "conversion-outbox doctor"


async def check(settings: Settings, config: Config) -> AsyncIterator[Finding]:
    """Ask each destination that is configured."""
    async with aiohttp.ClientSession(timeout=TIMEOUT, trust_env=False) as session:
        for account in config.accounts:
            ask = _meta if account.kind == "meta" else _ga4
            try:
                async for finding in ask(session, account, account.apply(settings), config):
                    yield finding
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                yield bad(
                    f"{account.name}: live",
                    f"It cannot be reached from here ({type(error).__name__}).",
                    "See whether this machine may reach it: DNS, firewall, proxy.",
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
        yield warn(
            name,
            f"Meta is reached; its token was not tried, as no {lacking} is set.",
            "Set META_CAPI_TEST_CODE (Events Manager, Test Events) for this one command: `outbox doctor --live` then "
            "sends one event with it.",
        )
        return
    event = {
        "event_name": TEST_EVENT,
        "event_time": int(datetime.now(UTC).timestamp()),
        "event_id": f"doctor-{datetime.now(UTC).timestamp():.0f}",
        "action_source": "other",
        "user_data": {"external_id": [hash_key(NOBODY)]},
    }
    reply = await _ask(
        session,
        "POST",
        f"{address}/events",
        {"data": [event], "test_event_code": settings.meta_test_code},
        {"Authorization": f"Bearer {settings.meta_token.reveal()}"},
    )
    yield _clock(account, reply)
    answer = classify(reply, sent=1)
    if answer.outcome is Outcome.DELIVERED:
        yield ok(name, f"Meta took a test event ({TEST_EVENT}): see Events Manager, Test Events.")
    else:
        explained = explain(answer.reason, secret=account.secret_variable or "META_CAPI_TOKEN")
        numbers = f" ({answer.code}/{answer.subcode})" if answer.code else ""
        yield bad(name, f"Meta did not take a test event: {answer.reason}{numbers}. {explained.says}", explained.do)
    if "X-Ad-Api-Version-Warning" in reply.headers:
        yield warn(
            f"{account.name}: API version",
            f"Meta warns that {settings.meta_api_version} is near its end.",
            "Set META_API_VERSION to a current one and restart.",
        )


async def _ga4(
    session: aiohttp.ClientSession, account: Account, settings: Settings, config: Config
) -> AsyncIterator[Finding]:
    name = f"{account.name}: live"
    query = {"measurement_id": settings.ga4_measurement_id, "api_secret": settings.ga4_secret.reveal()}
    told = [step for step in config.steps if account.name in step.targets]
    wrong: dict[str, str] = {}
    reply = None
    for step in told:
        reply = await _ask(
            session,
            "POST",
            f"{settings.ga4_base_url.rstrip('/')}/debug/mp/collect",
            _example(step, account.name, settings),
            query=query,
        )
        if problem := _problem(reply):
            wrong[step.name] = problem
    if reply is None:
        yield ok(name, "It is told of no step.")
        return
    yield _clock(account, reply)
    for step_name, problem in wrong.items():
        event_name = next(step.targets[account.name].event_name for step in told if step.name == step_name)
        yield bad(
            name,
            f"GA4 would not take {step_name} ({event_name}): {problem}.",
            f"Give {step_name} another name or other parameters for {account.name} in outbox.toml.",
        )
    if not wrong:
        yield ok(
            name, f"GA4 finds nothing wrong with its {len(told)} steps. It never says whether the API secret is right."
        )


def _example(step: Step, destination: str, settings: Settings) -> dict[str, Any]:
    """Give a request with an event of a step, as it would be sent, that asks to be judged strictly."""
    now = datetime.now(UTC)
    event = Event(
        0,
        now,
        now,
        step.name,
        "doctor",
        account_id=NOBODY,
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
    """Give what GA4's debug endpoint complains of: the field and the kind of mistake, none of its text."""
    if reply.status != 200:
        return f"its debug endpoint answers {reply.status}"
    try:
        messages = msgspec.json.decode(reply.body, type=_Judgement).validationMessages
    except msgspec.MsgspecError:
        return "its debug endpoint's answer is not understood"
    return "; ".join(f"{message.fieldPath or 'request'} {message.validationCode}" for message in messages[:3]) or None


class _Message(msgspec.Struct):
    fieldPath: str = ""  # noqa: N815 - GA4's own name
    validationCode: str = ""  # noqa: N815 - GA4's own name


class _Judgement(msgspec.Struct):
    validationMessages: list[_Message] = []  # noqa: N815 - GA4's own name


def _clock(account: Account, reply: Reply) -> Finding:
    """Compare the time that an answer carries, which is of whole seconds."""
    name = f"{account.name}: clock"
    try:
        theirs = parsedate_to_datetime(reply.headers["Date"])
    except (KeyError, ValueError):
        return ok(name, "Its answer carries no time.")
    off = theirs.astimezone(UTC) + timedelta(seconds=0.5) - datetime.now(UTC)
    return check_clock(name, off, "Meta" if account.kind == "meta" else "Google")


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
    sent = {"Content-Type": "application/json", **(headers or {})}
    async with session.request(method, address, data=body, headers=sent, params=query, allow_redirects=False) as reply:
        return Reply(reply.status, reply.headers, await reply.content.read(MAX_REPLY))

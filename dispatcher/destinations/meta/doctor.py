"""What `outbox doctor` checks at Meta: the version of the API, the test code, and with `--live` a test event."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta

from dispatcher.destinations.base import Outcome
from dispatcher.destinations.checks import Ask, Rule
from dispatcher.destinations.kind import Configured
from dispatcher.destinations.meta.event_names import STANDARD
from dispatcher.destinations.meta.settings import MetaSettings
from dispatcher.destinations.meta.versions import end_of
from dispatcher.findings import Finding, error, ok, warning

SOON = timedelta(days=90)
"""How long before the end of an API version the check warns."""
TEST_EVENT = "OutboxDoctor"
"""Not a standard event, so no campaign optimises for it. Events with a test code count like any other."""
TEST_PERSON = "conversion-outbox doctor"

LOG_RULES: tuple[Rule, ...] = (
    Rule(
        "Meta browser id", lambda step: step.seen - step.fbp, lambda step: step.seen, 0.5,
        "come from a browser but have no fbp (cookie _fbp)",
        "Load Meta's pixel on these pages, and pass the cookies to outbox.Visitor or use the form script (docs/browser.md).",
    ),
)  # fmt: skip


def check(here: Configured[MetaSettings], today: date, *, is_real: bool) -> Iterator[Finding]:
    """Check version and test code. `is_real`: the address is Meta's own, not a stand-in's."""
    yield _version(here, today)
    yield _test_code(here, is_real=is_real)


def check_funnel(names: frozenset[str]) -> Iterator[Finding]:
    """Report the custom events."""
    if custom := sorted(names - set(STANDARD)):
        yield ok(
            "funnel: custom events",
            f"Not Meta standard events, so campaigns need a custom conversion to optimise for them: {', '.join(custom)}.",
        )


def _version(here: Configured[MetaSettings], today: date) -> Finding:
    version = here.settings.api_version
    name, end = f"{here.name}: API version", end_of(version)
    if end is None:
        return ok(name, f"{version} is newer than every version whose end date is known.")
    if end <= today:
        return error(
            name,
            f"{version} ended on {end}: Meta rejects every request.",
            "Set META_API_VERSION to a current version (v25.0).",
        )
    if end <= today + SOON:
        return warning(
            name,
            f"{version} ends on {end}.",
            "Before then, set META_API_VERSION to a current version (v25.0) and restart.",
        )
    return ok(name, f"{version} works until {end}.")


def _test_code(here: Configured[MetaSettings], *, is_real: bool) -> Finding:
    name = f"{here.name}: test code"
    if not here.settings.test_code:
        return ok(name, "No test code is set.")
    if not is_real:
        return ok(name, "A test code is set, but nothing goes to Meta itself.")
    return warning(
        name,
        "A test code is set: events appear in Test Events, still count for measurement, and are not deduplicated.",
        "Fine during setup. In production, unset META_CAPI_TEST_CODE and restart.",
    )


async def check_live(here: Configured[MetaSettings], ask: Ask) -> AsyncIterator[Finding]:
    """Send one event with a custom name, and only with the test code."""
    from dispatcher.destinations.meta.responses import classify  # noqa: PLC0415 - only with --live
    from dispatcher.destinations.registry import explain  # noqa: PLC0415
    from dispatcher.destinations.sanitize import hash_key  # noqa: PLC0415

    name, settings = f"{here.name}: live", here.settings
    if not settings.token or not settings.test_code:
        await ask("GET", settings.base_url)
        lacking = "token" if not settings.token else "test code"
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
    reply = await ask(
        "POST",
        f"{settings.base_url.rstrip('/')}/{settings.api_version}/{settings.pixel_id}/events",
        {"data": [event], "test_event_code": settings.test_code},
        {"Authorization": f"Bearer {settings.token.reveal()}"},
    )
    response = classify(reply, sent=1)
    if response.outcome is Outcome.DELIVERED:
        yield ok(name, f"Meta accepted a test event ({TEST_EVENT}). See Events Manager, Test Events.")
    else:
        explained = explain(response.reason, secret=here.variable)
        codes = f" ({response.code}/{response.subcode})" if response.code else ""
        yield error(name, f"Meta rejected a test event: {response.reason}{codes}. {explained.says}", explained.do)
    if "X-Ad-Api-Version-Warning" in reply.headers:
        yield warning(
            f"{here.name}: API version",
            f"Meta warns that {settings.api_version} will end soon.",
            "Set META_API_VERSION to a current version and restart.",
        )

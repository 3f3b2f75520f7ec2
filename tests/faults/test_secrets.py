"""Personal data and secrets are in no log at any level, no error, no traceback and no repr."""

from __future__ import annotations

import asyncio
import logging
import signal
import traceback

import pytest

import outbox
from dispatcher import daemon
from dispatcher.config import Config
from dispatcher.config.settings import Settings, SettingsError
from dispatcher.destinations import registry
from dispatcher.destinations.base import Payload
from tests.support.examples import delivery
from tests.support.waiting import until

PERSONAL = ["ada.lovelace@example.com", "Lovelace", "79460958", "203.0.113.77", "Marylebone"]
SECRETS = ["meta-secret-token", "ga4-secret-key"]


def record(connection):
    conversion = outbox.LeadSubmitted(
        event_id="e",
        lead_id="1",
        person=outbox.Person(
            email=PERSONAL[0],
            first_name="Ada",
            last_name=PERSONAL[1],
            phone="+44 20 79460958",
            city=PERSONAL[4],
            country="GB",
        ),
        visitor=outbox.Visitor(ip=PERSONAL[3], user_agent="Mozilla/5.0"),
    )
    outbox.record(connection, conversion)
    return conversion


def found(output):
    return [text for text in (*PERSONAL, *SECRETS) if text in output]


@pytest.mark.parametrize(
    "fault",
    [
        "http_500",
        "html_502",
        "reset_before",
        "reset_after_accept",
        "garbage",
        "throttled",
        "token_invalid",
        "hang_after_accept",
    ],
)
async def test_a_dispatcher_logs_none_of_them_whatever_fails(spine, dispatch, fault):
    record(spine.connection)
    spine.record(
        name="lead_submitted",
        event_id="sql",
        lead_id="2",
        person={"email": PERSONAL[0], "last_name": PERSONAL[1], "phone": "x"},
    )
    for destination in ("meta", "ga4"):
        rates = {fault: 1.0} if (destination, fault) != ("ga4", "token_invalid") else {"http_500": 1.0}
        spine.faults(destination, rates=rates, hang_seconds=1)
    dispatcher = dispatch(
        spine.database_url, "--port", "0", META_CAPI_TOKEN=SECRETS[0], GA4_API_SECRET=SECRETS[1], PYTHONASYNCIODEBUG="1"
    )
    await until(lambda: len(spine.sandbox.ledger.requests) >= 2)
    _, ready = await asyncio.to_thread(dispatcher.health, "/readyz")
    dispatcher.signal(signal.SIGTERM)
    assert await asyncio.to_thread(dispatcher.wait) == 0
    assert found("".join(dispatcher.lines) + str(ready)) == []
    for table in ("attempt", "receipt", "delivery", "lease", "revision"):
        rows = spine.connection.execute(f"SELECT {table}::text FROM outbox.{table}").fetchall()
        assert found(str(rows)) == []


async def test_no_library_logs_them_even_at_debug_level(spine, caplog):
    caplog.set_level(logging.DEBUG)
    spine.settings = Settings.from_environment(
        {
            "META_CAPI_TOKEN": SECRETS[0],
            "META_CAPI_BASE_URL": spine.sandbox.url,
            "GA4_API_SECRET": SECRETS[1],
            "GA4_MP_BASE_URL": spine.sandbox.url,
        }
    )
    record(spine.connection)
    assert await spine.drain() == 0
    assert found(caplog.text) == []


async def test_an_unreachable_destination_is_an_answer_without_its_address():
    settings = Settings.from_environment(
        {
            "META_CAPI_TOKEN": SECRETS[0],
            "META_CAPI_BASE_URL": "http://127.0.0.1:1",
            "GA4_API_SECRET": SECRETS[1],
            "GA4_MP_BASE_URL": "http://127.0.0.1:1",
        }
    )
    for destination in [registry.create(kind, kind, settings, Config()) for kind in ("meta", "ga4")]:
        answer = await destination.send([Payload(delivery(), b"{}", [], None, b"{}")])
        await destination.close()
        assert answer.reason == "ClientConnectorError"
        assert found(repr(answer) + repr(destination) + repr(settings)) == []


def test_reprs_and_tracebacks_of_a_crm_show_nothing(connection):
    conversion = record(connection)
    shown = f"{conversion!r} {conversion} {conversion.person!r} {conversion.person} {conversion.visitor!r}"
    assert found(shown) == []
    with pytest.raises(outbox.OutboxError) as raised:
        outbox.record(object(), conversion)
    assert found("".join(traceback.format_exception(raised.value))) == []


async def test_a_header_cannot_be_injected_through_a_setting():
    with pytest.raises(SettingsError, match="META_CAPI_TOKEN"):
        Settings.from_environment({"META_CAPI_TOKEN": "token\r\nX-Evil: 1"})


async def test_a_daemon_shows_no_secret(spine):
    async with daemon.running(spine.settings, spine.database_url) as running:
        assert "test-token" not in repr(running.__dict__)
        assert "test-secret" not in repr(running.__dict__)

"""`POST /stripe/webhook`: really signed; the meaning of each response for Stripe."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from dispatcher.config import Config, load
from dispatcher.config.settings import Secret
from dispatcher.serve import stripe
from tests.support.form_site import serving
from tests.support.stripe_events import NEW, SECRET, signed


@pytest.fixture
async def site(shared_database_url):
    async with serving(shared_database_url, stripe_secret=Secret(SECRET)) as site:
        yield site


async def deliver(site, payload, signature):
    headers = {"Stripe-Signature": signature, "Content-Type": "application/json; charset=utf-8"}
    async with site.http.post("/stripe/webhook", data=payload, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_what_stripe_signed_is_recorded_once_however_often_it_comes(site, log):
    event = NEW.invoice_paid()
    answers = await asyncio.gather(*(deliver(site, *signed(event)) for _ in range(5)))
    assert {(status, answer["status"]) for status, answer in answers} == {(200, "recorded")}
    assert log.events("name", "event_id") == [("subscription_purchased", event["data"]["object"]["id"])]


async def test_what_counts_for_nothing_is_ignored(site, log):
    event = {"id": "evt_1", "object": "event", "type": "plan.created", "data": {"object": {}}}
    assert await deliver(site, *signed(event)) == (200, {"status": "ignored", "events": []})
    assert log.events() == []


@pytest.mark.parametrize("wrong", [{"secret": "whsec_another"}, {"age": 301}])
async def test_what_stripe_did_not_sign_is_refused(site, log, wrong):
    payload, signature = signed(NEW.invoice_paid(), **wrong)
    status, answer = await deliver(site, payload, signature)
    assert (status, set(answer)) == (400, {"error"})
    assert (await deliver(site, payload, ""))[0] == 400
    assert (await deliver(site, payload[:-1], signed(NEW.invoice_paid())[1]))[0] == 400
    assert log.events() == []


async def test_a_body_beyond_all_of_stripe_s_is_not_read(site):
    head = b"POST /stripe/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (stripe.MAX_BODY + 1)
    assert (await site.raw(head)).startswith(b"HTTP/1.1 413")


async def test_without_a_secret_stripe_is_asked_to_come_back(shared_database_url, log):
    with structlog.testing.capture_logs() as logs:
        async with serving(shared_database_url) as site:
            assert (await deliver(site, *signed(NEW.invoice_paid())))[0] == 503
    assert any("STRIPE_WEBHOOK_SECRET is not set" in line["event"] for line in logs)
    assert log.events() == []


async def test_while_the_database_is_not_ready_stripe_is_asked_to_come_back(empty_database):
    async with serving(empty_database, stripe_secret=Secret(SECRET)) as site:
        assert (await deliver(site, *signed(NEW.invoice_paid())))[0] == 503


async def test_the_configuration_controls_how_stripe_is_read(shared_database_url, log, tmp_path):
    path = tmp_path / "outbox.toml"
    path.write_text('[stripe]\naccount_key = "crm"')
    async with serving(shared_database_url, load(path, {}), stripe_secret=Secret(SECRET)) as site:
        assert (await deliver(site, *signed(NEW.invoice_paid(metadata={"crm": "42"}))))[0] == 200
    assert log.events("account_id") == ["42"]


async def test_a_funnel_without_stripe_s_steps_is_said_at_the_start(shared_database_url):
    with structlog.testing.capture_logs() as logs:
        async with serving(shared_database_url, Config(steps=()), stripe_secret=Secret(SECRET)):
            pass
    assert any(sorted(stripe.STEPS) == line.get("steps") for line in logs)

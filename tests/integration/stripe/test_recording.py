"""Stripe's webhooks, signed as Stripe signs them, into a real log, in the caller's transaction."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import stripe as stripe_package
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

import outbox
import outbox.stripe
from outbox.stripe import SignatureError
from tests.support.paths import ROOT
from tests.support.stripe_events import NEW, OLD, SECRET, signed
from tests.support.stripe_invoices import BEGAN, DAY, INVOICE, PAYMENT
from tests.support.stripe_log import TABLES, deliver, life, log, summary

# The signature


def test_what_stripe_signed_is_recorded_once_however_often_it_is_delivered(connection, stripe):
    event = stripe.invoice_paid(metadata={"account_id": "42"})
    first = deliver(connection, event)
    assert first.status == "recorded"
    before = log(connection)
    assert deliver(connection, event) == first
    assert deliver(connection, {**event, "id": "evt_another", "type": "invoice.payment_succeeded"}) == first
    assert log(connection) == before
    assert summary(connection) == [("subscription_purchased", INVOICE, 2990)]


def test_one_of_several_signatures_is_enough(connection):
    event = NEW.invoice_paid()
    payload, signature = signed(event)
    _, another = signed(event, secret="whsec_the_one_before")
    at, ours = signature.split(",")[:2]
    outcome = outbox.stripe.record(connection, payload, f"{at},{another.split(',')[1]},{ours}", secret=SECRET)
    assert outcome.status == "recorded"


FALSE = {
    "another secret": lambda event: signed(event, secret="whsec_another"),
    "too old": lambda event: signed(event, age=301),
    "tampered with": lambda event: (signed(event)[0].replace(b"2990", b"9990"), signed(event)[1]),
    "white space changed": lambda event: (signed(event)[0] + b"\n", signed(event)[1]),
    "of another scheme": lambda event: signed(event, scheme="v2"),
    "no signature": lambda event: (signed(event)[0], ""),
    "no header": lambda event: (signed(event)[0], None),
    "no time": lambda event: (signed(event)[0], "v1=" + "0" * 64),
    "nonsense": lambda event: (signed(event)[0], "t=now,v1=,=,v1"),
    "no UTF-8": lambda _: signed(b'{"id": "\xff"}'),
    "no JSON": lambda _: signed(b"not json"),
    "no object": lambda _: signed(b"[]"),
    "nested without end": lambda _: signed(b'{"a":' * 100_000),
}


@pytest.mark.parametrize("case", FALSE)
def test_what_stripe_did_not_sign_just_now_is_refused_without_quoting_it(connection, case):
    payload, signature = FALSE[case](NEW.invoice_paid())
    with pytest.raises(SignatureError, match=r"^signature: ") as refused:
        outbox.stripe.record(connection, payload, signature, secret=SECRET)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None
    assert log(connection) == []


@pytest.mark.parametrize("secret", ["", "  "])
def test_without_a_secret_nothing_is_accepted(connection, secret):
    payload, signature = signed(NEW.invoice_paid(), secret=secret)
    with pytest.raises(SignatureError, match=r"^secret: "):
        outbox.stripe.record(connection, payload, signature, secret=secret)


def test_a_signature_is_good_for_five_minutes(connection):
    payload, signature = signed(NEW.invoice_paid(), age=290)
    assert outbox.stripe.record(connection, payload, signature, secret=SECRET).status == "recorded"


def test_a_crm_s_own_handler_passes_a_verified_event(connection, stripe):
    event = stripe.invoice_paid()
    payload, signature = signed(event)
    verified = stripe_package.Webhook.construct_event(payload, signature, SECRET)
    outcome = outbox.stripe.record_event(connection, verified)
    assert outcome.status == "recorded"
    assert outbox.stripe.record_event(connection, event) == outcome
    assert summary(connection) == [("subscription_purchased", INVOICE, 2990)]


# The transaction


def test_an_event_that_counts_for_nothing_changes_nothing(database_url, connection):
    with psycopg.connect(database_url) as crm:
        assert deliver(crm, NEW.event("payment_intent.succeeded", {"id": "pi_1"}, created=BEGAN)).status == "ignored"
        assert crm.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert deliver(connection, NEW.trial_invoice()).status == "remembered"
    assert log(connection) == []


def test_what_rolls_back_leaves_nothing(database_url, connection, stripe):
    with psycopg.connect(database_url) as crm:
        for event in life(stripe):
            deliver(crm, event)
        assert len(log(crm)) > 5
        crm.rollback()
    assert [connection.execute(f"SELECT count(*) FROM outbox.{table}").fetchone() for table in TABLES] == [(0,)] * 6
    for event in life(stripe):
        deliver(connection, event)
    assert len(log(connection)) > 5


async def test_an_asynchronous_connection_is_awaited(database_url, connection):
    engine = create_async_engine(database_url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    async with AsyncSession(engine) as session, session.begin():
        assert (await deliver(session, OLD.invoice_paid())).status == "recorded"
        assert (await deliver(session, NEW.trial_invoice())).status == "remembered"
        assert (await deliver(session, NEW.event("payout.paid", {}, created=BEGAN))).status == "ignored"
    await engine.dispose()
    async with await psycopg.AsyncConnection.connect(database_url) as crm:
        assert (await deliver(crm, NEW.checkout())).status == "recorded"
        with pytest.raises(SignatureError):
            await outbox.stripe.record(crm, b"{}", "t=1,v1=0", secret=SECRET)
        await crm.commit()
    assert summary(connection) == [("subscription_purchased", INVOICE, 2990), ("subscription_purchased", PAYMENT, 4900)]


def test_the_database_s_own_errors_are_passed_on(database_url):
    with psycopg.connect(database_url) as crm:
        crm.close()
        with pytest.raises(psycopg.OperationalError):
            deliver(crm, NEW.invoice_paid())
    with pytest.raises(outbox.ConnectionTypeError):
        deliver(object(), NEW.invoice_paid())


def test_a_recorder_needs_nothing_but_its_role(connection):
    connection.execute("SET ROLE outbox_recorder")
    for event in life(OLD):
        deliver(connection, event)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT FROM outbox.stripe_payment")
    connection.execute("RESET ROLE")
    assert len(log(connection)) > 5


def test_only_hashes_of_a_person_go_over_the_wire(connection, tmp_path, stripe):
    trace = tmp_path / "trace"
    with trace.open("w") as file:
        connection.pgconn.trace(file.fileno())
        for event in life(stripe):
            deliver(connection, event)
        connection.pgconn.untrace()
    said = trace.read_text().lower()
    assert "sha256_email_address" in said
    assert [raw for raw in ("lovelace", "example.com", "12345678", "berlin", "10115") if raw in said] == []


def test_the_future_of_a_test_clock_happens_now(connection):
    ahead = int(datetime.now(UTC).timestamp()) + 90 * DAY
    deliver(connection, NEW.invoice_paid(at=ahead))
    [(at,)] = connection.execute("SELECT occurred_at FROM outbox.event").fetchall()
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=1)


def test_importing_outbox_imports_neither_outbox_stripe_nor_stripe():
    code = "import sys, outbox; sys.exit(any(name.split('.')[-1] == 'stripe' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0

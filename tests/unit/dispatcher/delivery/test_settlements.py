from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.delivery.settlements import settlement_for
from dispatcher.destinations.base import Outcome, Payload, Response
from dispatcher.destinations.ga4 import destination as ga4
from dispatcher.destinations.meta import destination as meta
from tests.support.examples import NOW, delivery


def settle(response, limits=meta.LIMITS, now=NOW, **fields):
    payload = Payload(delivery(**fields), b"{}", ["em:62a14e44", "value"], "account-1")
    return settlement_for(payload, response, limits, sent_at=now - timedelta(seconds=3), now=now, jitter=0.5)


def test_delivered_is_a_receipt_with_what_was_sent():
    settled = settle(Response(Outcome.DELIVERED, status=200, trace="T"))
    assert (settled.outcome, settled.due_at, settled.sent, settled.account_id) == (
        "delivered", None, "em:62a14e44 value", "account-1",
    )  # fmt: skip


def test_rejected_has_failed_with_the_destination_s_code():
    settled = settle(Response(Outcome.REJECTED, "missing value", 400, 100, 2804009))
    assert (settled.outcome, settled.reason, settled.code, settled.subcode) == ("failed", "missing value", 100, 2804009)


@pytest.mark.parametrize("outcome", [Outcome.THROTTLED, Outcome.HALTED])
def test_throttled_and_halted_use_up_no_try(outcome):
    settled = settle(Response(outcome, status=400, wait=90))
    assert (settled.outcome, settled.due_at) == ("returned", NOW + timedelta(seconds=90))


def test_transient_comes_back_later_and_is_not_unknown():
    settled = settle(Response(Outcome.TRANSIENT, status=500), tries=2)
    assert (settled.outcome, settled.due_at, settled.unknown_at) == ("transient", NOW + timedelta(seconds=8), None)


def test_uncertain_remembers_when_it_was_sent():
    settled = settle(Response(Outcome.UNCERTAIN, "timeout"))
    assert (settled.outcome, settled.unknown_at) == ("uncertain", NOW - timedelta(seconds=3))


def test_retries_end_when_the_window_closes():
    old = {"occurred_at": NOW - meta.LIMITS.window, "recorded_at": NOW - timedelta(days=6)}
    assert settle(Response(Outcome.TRANSIENT), **old).reason == "window closed"
    unknown = {"first_unknown_at": NOW - timedelta(hours=47), "occurred_at": NOW - timedelta(hours=47)}
    assert settle(Response(Outcome.TRANSIENT), **unknown).outcome == "failed"
    assert settle(Response(Outcome.TRANSIENT), ga4.LIMITS, **unknown).outcome == "transient"


def test_the_last_try_lies_inside_the_repeat_window():
    unknown = {"first_unknown_at": NOW - timedelta(hours=46, minutes=50), "tries": 15}
    settled = settle(Response(Outcome.UNCERTAIN), occurred_at=NOW - timedelta(hours=47), **unknown)
    assert settled.due_at == unknown["first_unknown_at"] + timedelta(hours=47) - timedelta(minutes=1)

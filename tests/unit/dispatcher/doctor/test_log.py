"""What the doctor reports about the newest events."""

from __future__ import annotations

import msgspec
import pytest

from dispatcher.config import Config, load
from dispatcher.doctor.log import StepCounts, check

HEALTHY = StepCounts(
    "lead_submitted", 100, email=90, seen=90, fbp=80, client=80, session=80, address=90, busiest=3, consented=50
)  # fmt: skip


def problems(*counts, config=None, default="granted"):
    found = check(counts, config or Config(), consent_default=default)
    return [finding.check for finding in found if finding.severity != "ok"]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"keyless": 10}, ["identity"]),
        ({"email": 20}, ["e-mail"]),
        ({"robot": 50}, ["user agent"]),
        ({"internal": 90}, ["IP address"]),
        ({"busiest": 80}, ["IP address"]),
        ({"fbp": 5}, ["Meta browser id"]),
        ({"client": 0, "session": 0}, ["GA4 client id"]),
        ({"session": 10}, ["GA4 session"]),
        ({"phoneless": 5, "noted": 5}, ["phone numbers"]),
        ({"noted": 30}, ["left out"]),
        ({"late": 10}, ["late"]),
        ({"early": 1}, ["early"]),
        ({"consented": 0}, ["consent"]),
    ],
)
def test_what_the_newest_events_lack_is_reported(changes, found):
    assert problems(msgspec.structs.replace(HEALTHY, **changes)) == found


def test_a_few_events_are_not_judged():
    assert problems(StepCounts("lead_submitted", 5, keyless=5)) == []
    assert problems() == ["log"]


def test_steps_without_a_destination_do_not_count():
    assert problems(HEALTHY, StepCounts("signed_in", 900, consented=1)) == []
    assert problems(HEALTHY, StepCounts("forgotten_step", 1)) == ["steps"]


def test_payments_without_an_order_are_reported():
    assert problems(msgspec.structs.replace(HEALTHY, step="subscription_purchased", orderless=1)) == ["orders"]
    assert problems(msgspec.structs.replace(HEALTHY, orderless=100)) == []


def test_a_browser_pair_without_a_browser_is_an_error(tmp_path):
    path = tmp_path / "outbox.toml"
    path.write_text('[steps.lead_submitted]\nto.meta = "Lead"\nbrowser_pair = true\n')
    config = load(path, {})
    assert problems(HEALTHY, config=config) == []
    assert problems(msgspec.structs.replace(HEALTHY, fbp=10, seen=10), config=config) == ["browser pairs"]


def test_consent_that_is_denied_by_default_needs_no_warning():
    assert problems(msgspec.structs.replace(HEALTHY, consented=0), default="denied") == []

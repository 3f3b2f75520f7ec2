"""What the doctor says of the newest events."""

from __future__ import annotations

import msgspec
import pytest

from dispatcher.config import Config, load
from dispatcher.doctor.log import Carried, check

WELL = Carried(
    "lead_submitted", 100, email=90, seen=90, fbp=80, client=80, session=80, address=90, busiest=3, consented=50
)  # fmt: skip


def said(*carried, config=None, default="granted"):
    found = check(carried, config or Config(), consent_default=default)
    return [finding.check for finding in found if finding.verdict != "ok"]


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
def test_what_the_newest_events_lack_is_said(changes, found):
    assert said(msgspec.structs.replace(WELL, **changes)) == found


def test_a_few_events_say_nothing_about_how_things_usually_are():
    assert said(Carried("lead_submitted", 5, keyless=5)) == []
    assert said() == ["log"]


def test_steps_that_nobody_is_told_of_do_not_count():
    assert said(WELL, Carried("signed_in", 900, consented=1)) == []
    assert said(WELL, Carried("forgotten_step", 1)) == ["steps"]


def test_payments_without_an_order_are_said():
    assert said(msgspec.structs.replace(WELL, step="subscription_purchased", orderless=1)) == ["orders"]
    assert said(msgspec.structs.replace(WELL, orderless=100)) == []


def test_a_browser_pair_without_a_browser_is_bad(tmp_path):
    path = tmp_path / "outbox.toml"
    path.write_text('[steps.lead_submitted]\nto.meta = "Lead"\nbrowser_pair = true\n')
    config = load(path, {})
    assert said(WELL, config=config) == []
    assert said(msgspec.structs.replace(WELL, fbp=10, seen=10), config=config) == ["browser pairs"]


def test_consent_that_is_denied_by_default_needs_no_word():
    assert said(msgspec.structs.replace(WELL, consented=0), default="denied") == []

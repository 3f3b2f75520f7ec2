"""What Meta's responses mean, by number."""

from __future__ import annotations

import json

import pytest

from dispatcher.destinations.base import Outcome
from dispatcher.destinations.http_client import Reply
from dispatcher.destinations.meta.responses import CODES, LONGEST_WAIT, THROTTLE_SECONDS, classify


def error(code, subcode=None, status=400, headers=None, **rest):
    body = {"error": {"message": "Ungültiger Parameter", "code": code, "error_subcode": subcode, **rest}}
    return classify(Reply(status, headers or {}, json.dumps(body).encode()), sent=2)


def other(status, body=b"", headers=None):
    return classify(Reply(status, headers or {}, body), sent=2)


def test_all_events_received_is_delivered():
    answer = other(200, b'{"events_received":2,"messages":[],"fbtrace_id":"AbC_1-"}')
    assert (answer.outcome, answer.trace) == (Outcome.DELIVERED, "AbC_1-")


@pytest.mark.parametrize(("code", "subcode", "outcome", "reason"), CODES)
def test_every_code_of_the_table(code, subcode, outcome, reason):
    answer = error(code, subcode, fbtrace_id="T1")
    assert (answer.outcome, answer.reason, answer.code, answer.subcode, answer.trace) == (
        outcome, reason, code, subcode, "T1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "subcode", "expected"),
    [
        (190, 460, Outcome.HALTED),
        (4, 1504022, Outcome.THROTTLED),
        (613, 1487742, Outcome.THROTTLED),
        (100, 2804016, Outcome.REJECTED),
        (100, 2804007, Outcome.REJECTED),
        (99999, None, Outcome.TRANSIENT),
        (294, None, Outcome.HALTED),
        (80005, 1, Outcome.THROTTLED),
        (2500, None, Outcome.TRANSIENT),
    ],
)
def test_a_subcode_that_is_not_listed_falls_back_to_its_code(code, subcode, expected):
    assert error(code, subcode).outcome is expected


def test_what_meta_calls_transient_is_not_rejected():
    assert error(100, is_transient=True).outcome is Outcome.TRANSIENT
    assert error(99999, status=500).outcome is Outcome.TRANSIENT


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"", Outcome.UNCERTAIN),
        (200, b"<html>ok</html>", Outcome.UNCERTAIN),
        (200, b'{"events_received":1}', Outcome.UNCERTAIN),
        (200, b'{"events_received":"two"}', Outcome.UNCERTAIN),
        (200, b"[" * 100_000, Outcome.UNCERTAIN),
        (204, b"", Outcome.UNCERTAIN),
        (500, b"<html>", Outcome.TRANSIENT),
        (503, b"", Outcome.TRANSIENT),
        (502, b"<html>Bad gateway</html>", Outcome.UNCERTAIN),
        (504, b"", Outcome.UNCERTAIN),
        (429, b"", Outcome.THROTTLED),
        (401, b"", Outcome.HALTED),
        (301, b"", Outcome.HALTED),
        (400, b"<html>blocked by a proxy</html>", Outcome.TRANSIENT),
        (400, b'{"error":{"code":99999999999999}}', Outcome.TRANSIENT),
        (400, b'{"error":"text"}', Outcome.TRANSIENT),
        (400, b"\xff\xfe", Outcome.TRANSIENT),
    ],
)
def test_replies_in_another_format_are_classified_by_status(status, body, expected):
    assert other(status, body).outcome is expected


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "999999"}, LONGEST_WAIT),
        ({"X-Business-Use-Case-Usage": '{"1":[{"estimated_time_to_regain_access":3}]}'}, 180),
        ({"X-Business-Use-Case-Usage": '{"1":[{"estimated_time_to_regain_access":0}]}'}, THROTTLE_SECONDS),
        ({"X-Business-Use-Case-Usage": "garbage"}, THROTTLE_SECONDS),
        ({"X-Business-Use-Case-Usage": "[]"}, THROTTLE_SECONDS),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, THROTTLE_SECONDS),
        ({}, THROTTLE_SECONDS),
    ],
)
def test_throttling_lasts_as_long_as_meta_asks(headers, seconds):
    assert error(80004, headers=headers).wait == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"X-App-Usage": '{"call_count":96,"total_time":2}'}, THROTTLE_SECONDS),
        ({"X-App-Usage": '{"call_count":94,"total_time":2}'}, None),
        ({"X-Ad-Account-Usage": '{"acc_id_util_pct":99.5}'}, THROTTLE_SECONDS),
        ({"X-Business-Use-Case-Usage": '{"1":[{"call_count":100,"estimated_time_to_regain_access":2}]}'}, 120),
        ({"X-App-Usage": "[1]"}, None),
        ({"X-App-Usage": '{"call_count":' + "9" * 400 + "}"}, None),
        ({"X-App-Usage": '{"call_count":"many"}'}, None),
    ],
)
def test_a_rate_limit_that_is_almost_used_up_is_waited_for(headers, seconds):
    answer = other(200, b'{"events_received":2}', headers)
    assert (answer.outcome, answer.wait) == (Outcome.DELIVERED, seconds)


def test_no_text_of_a_reply_is_kept():
    answer = error(100, error_user_msg="john@example.com is invalid", fbtrace_id="john@example.com")
    assert answer.trace is None
    assert "john" not in repr(answer)
    assert "Ungültig" not in repr(answer)

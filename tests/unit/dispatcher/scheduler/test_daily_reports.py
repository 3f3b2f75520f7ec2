"""The texts of the daily messages."""

from __future__ import annotations

from dispatcher.scheduler.daily_reports import OutcomeCount, dead_letters_text, outcomes_text

FAILED = [
    OutcomeCount("meta", "failed", "missing value", 3),
    OutcomeCount("meta", "failed", "something new", 1),
    OutcomeCount("ga4", "failed", "window closed", 1),
]


def test_the_digest_says_how_many_of_what_and_what_to_do():
    title, *lines, last = dead_letters_text(FAILED).split("\n")
    assert title == "Conversions: 5 dead letters in 24 hours"
    assert lines[0].startswith("meta: 3 failed (missing value). Record value and currency")
    assert lines[2].startswith("ga4: 1 failed (window closed).")
    assert "outbox dead list" in last


def test_one_is_one_and_none_is_no_message():
    assert dead_letters_text(FAILED[:1])
    assert "1 dead letter in" in dead_letters_text(FAILED[2:])
    assert dead_letters_text([]) is None


def test_each_destination_is_a_line():
    outcomes = [
        OutcomeCount("meta", "delivered", "", 10),
        OutcomeCount("meta", "failed", "missing value", 2),
        OutcomeCount("meta", "failed", "x", 1),
        OutcomeCount("ga4", "skipped", "disabled", 4),
    ]
    assert outcomes_text(outcomes).split("\n")[1:] == [
        "meta: delivered 10, skipped 0, failed 3",
        "ga4: delivered 0, skipped 4, failed 0",
    ]
    assert outcomes_text([]) == "In the last 24 hours nothing was due."

"""One piece of advice, and the most useful one."""

from __future__ import annotations

from dispatcher.destinations.ga4.match_quality import QUALITY as GA4
from dispatcher.destinations.match_quality import MatchQuality
from dispatcher.destinations.meta.match_quality import QUALITY as META
from dispatcher.monitoring.quality import of_kind

EVERYTHING = {each.field: 10 for each in META.identifiers}


def advise(kind, events, fields, **options):
    return of_kind(kind).advise(events, fields, **options)


def test_every_identifier_of_meta_has_a_change_that_fills_it():
    assert {name for change in META.changes for name in change.fields} == {each.field for each in META.identifiers}
    known = {each.field for each in GA4.identifiers}
    assert {name for change in GA4.changes for name in change.fields} <= known


def test_what_adds_most_comes_first():
    seen = {"fbp": 10, "client_ip_address": 10, "client_user_agent": 10}
    assert "outbox.Visitor" in advise("meta", 10, {})  # one change that fills three fields
    assert "e-mail" in advise("meta", 10, seen)
    assert "phone" in advise("meta", 10, EVERYTHING | {"ph": 0, "fbp": 0})


def test_a_small_gap_in_a_heavy_field_does_not_outweigh_a_large_gap_in_a_light_one():
    assert "click id" in advise("meta", 10, EVERYTHING | {"em": 9, "fbc": 1})
    assert "(90% lack it)" in advise("meta", 10, EVERYTHING | {"em": 9, "fbc": 1})


def test_full_coverage_gets_no_advice():
    assert advise("meta", 10, EVERYTHING) is None
    assert advise("meta", 10, EVERYTHING | {"ge": 0}) is None
    assert advise("meta", 0, {}) is None
    assert advise("ga4", 10, {"user_id": 10, "sha256_email_address": 10, "session_id": 9}) is None
    assert advise("another", 10, {}) is None
    assert of_kind("another") == MatchQuality()


def test_server_events_get_no_advice_about_browsers():
    missing = EVERYTHING | {"fbp": 0, "fbc": 0, "client_ip_address": 0, "client_user_agent": 0}
    assert advise("meta", 10, missing) is not None
    assert advise("meta", 10, missing, has_browser=False) is None
    assert "session" in advise("ga4", 10, {"user_id": 10, "sha256_email_address": 10})
    assert advise("ga4", 10, {"user_id": 10, "sha256_email_address": 10}, has_browser=False) is None

"""One piece of advice, and the most useful one."""

from __future__ import annotations

from dispatcher.monitoring.quality import IDENTIFIERS, META, advise
from dispatcher.monitoring.quality.advice import AT_GA4, AT_META

EVERYTHING = {each.field: 10 for each in META}


def test_every_identifier_of_meta_s_is_somebody_s_to_fill():
    assert {name for change in AT_META for name in change.fields} == {each.field for each in META}
    known = {each.field for each in IDENTIFIERS["ga4"]}
    assert {name for change in AT_GA4 for name in change.fields} <= known


def test_what_adds_most_comes_first():
    seen = {"fbp": 10, "client_ip_address": 10, "client_user_agent": 10}
    assert "outbox.Visitor" in advise("meta", 10, {})  # one change that fills three fields
    assert "e-mail" in advise("meta", 10, seen)
    assert "phone" in advise("meta", 10, EVERYTHING | {"ph": 0, "fbp": 0})


def test_a_small_lack_of_much_does_not_outweigh_a_great_lack_of_less():
    assert "click id" in advise("meta", 10, EVERYTHING | {"em": 9, "fbc": 1})
    assert "(90% lack it)" in advise("meta", 10, EVERYTHING | {"em": 9, "fbc": 1})


def test_where_all_is_well_there_is_nothing_to_say():
    assert advise("meta", 10, EVERYTHING) is None
    assert advise("meta", 10, EVERYTHING | {"ge": 0}) is None
    assert advise("meta", 0, {}) is None
    assert advise("ga4", 10, {"user_id": 10, "sha256_email_address": 10, "session_id": 9}) is None
    assert advise("another", 10, {}) is None


def test_no_browser_is_asked_for_where_none_can_be():
    missing = EVERYTHING | {"fbp": 0, "fbc": 0, "client_ip_address": 0, "client_user_agent": 0}
    assert advise("meta", 10, missing) is not None
    assert advise("meta", 10, missing, has_browser=False) is None
    assert "session" in advise("ga4", 10, {"user_id": 10, "sha256_email_address": 10})
    assert advise("ga4", 10, {"user_id": 10, "sha256_email_address": 10}, has_browser=False) is None

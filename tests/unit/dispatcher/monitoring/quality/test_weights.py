"""The estimate of match quality: from the weights, which keep Meta's own order."""

from __future__ import annotations

import pytest

from dispatcher.config import Config
from dispatcher.destinations.meta.match_quality import IDENTIFIERS as META
from dispatcher.destinations.meta.match_quality import QUALITY
from dispatcher.monitoring.quality import explanation, of_kind
from outbox.person import META_TRAITS

estimate = QUALITY.estimate

ANONYMOUS = {"fbp": 1, "fbc": 1, "client_ip_address": 1, "client_user_agent": 1, "external_id": 1}


def test_the_weights_add_up_to_ten():
    assert sum(each.weight for each in META) == pytest.approx(10)


def test_every_identifier_that_meta_accepts_has_a_weight():
    assert {each.field for each in META} == {*META_TRAITS, *ANONYMOUS}
    assert all(each.weight > 0 and each.api_name for each in META)


def test_no_identifier_that_meta_ranks_high_counts_less_than_one_it_ranks_lower():
    ranked = {rank: [each.weight for each in META if each.rank == rank] for rank in ("high", "medium", "low")}
    assert min(ranked["high"]) >= max(ranked["medium"]) > max(ranked["low"])


def test_an_anonymous_click_scores_between_four_and_five_and_a_known_person_nine():
    assert 4 <= estimate(1, ANONYMOUS) <= 5
    known = ANONYMOUS | dict.fromkeys(("em", "ph", "fn", "ln", "ct", "zp", "country"), 1)
    assert estimate(1, known) >= 9


def test_it_is_the_mean_of_what_each_event_would_have_alone():
    alone = [estimate(1, ANONYMOUS), estimate(1, {"em": 1})]
    together = estimate(2, ANONYMOUS | {"em": 1})
    assert together == pytest.approx(sum(alone) / 2, abs=0.06)


def test_without_events_there_is_none_and_a_tally_that_ran_ahead_does_no_harm():
    assert estimate(0, {}) is None
    assert estimate(1, {each.field: 2 for each in META}) == 10


def test_the_explanation_says_that_it_is_a_guess():
    assert "does not publish" in explanation(Config())
    assert of_kind("ga4").estimate(1, {"user_id": 1}) is None

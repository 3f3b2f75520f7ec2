"""Every reason has an explanation, which says what to do if something must be done."""

from __future__ import annotations

import aiohttp
import pytest

from dispatcher.delivery import eligibility
from dispatcher.destinations.base import Outcome
from dispatcher.destinations.meta.responses import CODES, FAMILIES
from dispatcher.destinations.registry import explain, kinds
from dispatcher.reasons import EXPLANATIONS, PATTERNS, UNKNOWN

TABLES = [EXPLANATIONS, *(kind.explanations for kind in kinds().values())]

REASONS = {reason for *_, reason in (*CODES, *FAMILIES)} | {
    value.reason for name, value in vars(eligibility).items() if name.isupper() and hasattr(value, "reason")
}


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_reason_of_the_tables_is_explained(reason):
    assert explain(reason) != UNKNOWN


@pytest.mark.parametrize(
    "reason",
    [
        "META_CAPI_TOKEN is not set",
        "[destinations.second] in outbox.toml is not set",
        "97 % of the rate limit used",
        aiohttp.ServerDisconnectedError.__name__,
        aiohttp.ClientConnectorError.__name__,
        "ConnectionResetError",
        "timeout",
    ],
)
def test_reasons_that_contain_a_name_or_number_are_explained(reason):
    assert explain(reason) != UNKNOWN


@pytest.mark.parametrize("reason", sorted({reason for _, _, outcome, reason in CODES if outcome is Outcome.HALTED}))
def test_every_reason_for_a_halt_says_what_to_do(reason):
    explanation = explain(reason, secret="SECOND_TOKEN")
    assert explanation.do
    assert "{" not in explanation.do + explanation.says


def test_the_variable_of_the_destination_is_named():
    assert "SECOND_TOKEN" in explain("access token invalid or expired", secret="SECOND_TOKEN").do


def test_only_what_can_still_succeed_may_be_requeued():
    assert not explain("window closed").requeue
    assert explain("missing value").requeue
    assert explain("nobody has heard of this") == UNKNOWN
    assert explain(None) == UNKNOWN


def test_sentences_are_sentences():
    tables = [(key, each.says, each.do) for table in TABLES for key, each in table.items()]
    for reason, says, do in tables:
        assert says.endswith("."), reason
        assert not do or do.endswith("."), reason


def test_no_kind_of_destination_explains_what_is_explained_elsewhere():
    explained = [reason for table in TABLES for reason in table]
    assert len(explained) == len(set(explained))
    for kind in kinds().values():
        for reason in kind.explanations:
            assert not any(pattern.fullmatch(reason) for pattern, _ in PATTERNS), reason

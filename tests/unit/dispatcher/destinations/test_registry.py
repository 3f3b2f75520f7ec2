"""What is asked of the kinds by name, also of one that is not installed here."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from dispatcher.config import Account, Config
from dispatcher.config.settings import Settings
from dispatcher.destinations import registry
from dispatcher.destinations.base import Limits
from dispatcher.destinations.match_quality import MatchQuality

SETTINGS = Settings.from_environment({"META_CAPI_TOKEN": "token"})


def test_a_destination_of_a_kind_that_is_not_installed_waits():
    unknown = registry.create("toy", "toy", SETTINGS, Config())
    assert unknown.missing() == "the package for destinations of kind toy"
    assert registry.limits_of("toy").window > timedelta(days=62)
    assert registry.label("toy") == "toy"
    assert registry.kinds().get("toy") is None


def test_a_destination_that_is_not_configured_waits_only_if_the_file_is_missing(tmp_path):
    assert registry.create("meta", "dealers", SETTINGS, Config()).missing() == "[destinations.dealers] in outbox.toml"
    with_file = replace(Config(), path=tmp_path)
    assert registry.create("meta", "dealers", SETTINGS, with_file).missing() is None
    assert isinstance(registry.create("meta", "dealers", SETTINGS, with_file).limits, Limits)


def test_a_destination_is_called_like_its_kind_only_if_it_is_the_one():
    assert [registry.label(name) for name in ("meta", "ga4", "dealers")] == ["Meta", "GA4", "dealers"]


def test_the_variable_of_the_secret_is_the_destination_s_own():
    accounts = (Account(name="dealers", kind="meta", variables={"token": "OURS"}), Account(name="ga4", kind="ga4"))
    config = replace(Config(), accounts=accounts)
    assert registry.secret_variable("dealers", config) == "OURS"
    assert registry.secret_variable("ga4", config) == "GA4_API_SECRET"
    assert registry.secret_variable("gone", config) == "its token"


def test_without_weights_there_is_no_estimate_and_no_advice():
    assert MatchQuality().estimate(1, {}) is None
    assert MatchQuality().advise(1, {}) is None

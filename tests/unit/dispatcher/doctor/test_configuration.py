"""What the doctor reports about settings and `outbox.toml`."""

from __future__ import annotations

from datetime import date

import pytest

from dispatcher.config import Config, load
from dispatcher.config.settings import Settings
from dispatcher.destinations.meta.versions import ENDS, end_of
from dispatcher.doctor.configuration import check

TODAY = date(2026, 11, 24)
COMPLETE = {
    "OUTBOX_DATABASE_URL": "postgresql://crm@db/crm",
    "META_CAPI_TOKEN": "token-of-meta",
    "GA4_API_SECRET": "secret-of-ga4",
    "OUTBOX_PHONE_REGION": "CY",
    "OUTBOX_ALERT_URLS": "json://127.0.0.1",
    "OUTBOX_CONSOLE_TOKEN": "token-of-console",
}


def findings(config=None, today=TODAY, **environment):
    settings = Settings.from_environment(COMPLETE | environment)
    return list(check(settings, config or Config(), today))


def severities(**environment):
    return {finding.check: finding.severity for finding in findings(**environment) if finding.severity != "ok"}


def test_a_complete_configuration_has_no_problems():
    assert severities() == {}
    assert all(finding.do is None for finding in findings())


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"META_CAPI_TOKEN": ""}, {"meta: secret": "error"}),
        ({"GA4_API_SECRET": ""}, {"ga4: secret": "error"}),
        ({"OUTBOX_DATABASE_URL": ""}, {"database address": "warning"}),
        ({"META_CAPI_TEST_CODE": "TEST46298"}, {"meta: test code": "warning"}),
        ({"OUTBOX_PHONE_REGION": ""}, {"phone region": "warning"}),
        ({"OUTBOX_ALERT_URLS": ""}, {"alerts": "warning"}),
        ({"OUTBOX_CONSOLE_TOKEN": ""}, {"console": "warning"}),
        ({"META_CAPI_BASE_URL": "http://127.0.0.1:8090"}, {"addresses": "warning"}),
        ({"META_CAPI_BASE_URL": "http://localhost:8090"}, {"addresses": "warning"}),
        ({"META_CAPI_BASE_URL": "http://graph.facebook.com"}, {"meta: address": "error"}),
        ({"GA4_MP_BASE_URL": "http://notgoogle-analytics.com"}, {"ga4: address": "error", "addresses": "warning"}),
        ({"GA4_MP_BASE_URL": "https://region1.google-analytics.com"}, {}),
        ({"META_API_VERSION": "v19.0"}, {"meta: API version": "error"}),
        ({"META_API_VERSION": "v21.0"}, {"meta: API version": "warning"}),
        ({"META_API_VERSION": "v16.0"}, {"meta: API version": "error"}),
        ({"META_API_VERSION": "v31.0"}, {}),
    ],
)
def test_each_problem_is_reported_with_its_severity(environment, found):
    assert severities(**environment) == found


def test_a_test_code_for_a_sandbox_is_no_problem():
    assert severities(META_CAPI_TEST_CODE="TEST1", META_CAPI_BASE_URL="http://127.0.0.1:1") == {"addresses": "warning"}


def test_every_warning_and_error_says_what_to_do():
    for finding in findings(**dict.fromkeys(COMPLETE, "")):
        assert finding.says.endswith(".")
        assert (finding.do is None) == (finding.severity == "ok")


def test_no_secret_is_ever_quoted():
    report = " ".join(f"{finding.says} {finding.do}" for finding in findings(STRIPE_WEBHOOK_SECRET="whsec_1"))
    for secret in ("token-of", "secret-of", "whsec_1", "crm@db", "json://"):
        assert secret not in report


def test_a_second_pixel_is_checked_with_its_own_variables(tmp_path):
    path = tmp_path / "outbox.toml"
    path.write_text(
        '[destinations.dealers]\nkind = "meta"\nlike = "meta"\npixel_id = "123456"\ntoken_env = "DEALERS"\n'
    )
    config = load(path, {})
    errors = {finding.check: finding.says for finding in findings(config) if finding.severity == "error"}
    assert errors.keys() == {"dealers: secret"}
    assert "DEALERS is not set" in errors["dealers: secret"]


def test_stripe_without_its_steps_is_reported(tmp_path):
    path = tmp_path / "outbox.toml"
    path.write_text('defaults = false\n[destinations.meta]\nkind = "meta"\n[steps.lead]\nto.meta = "Lead"\n')
    found = {finding.check: finding for finding in findings(load(path, {}), STRIPE_WEBHOOK_SECRET="whsec_1")}
    assert "subscription_purchased" in found["Stripe"].says


def test_versions_end_in_order():
    assert sorted(ENDS.values()) == list(ENDS.values())
    assert end_of("v99.0") is None
    assert end_of("v1.0") <= min(ENDS.values())

"""What Meta is sent: its parameters, under Meta's own rules."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256

import msgspec
import pytest

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.destinations import registry
from dispatcher.destinations.base import Payload
from dispatcher.destinations.meta.destination import LIMITS, build
from dispatcher.identity.profile import profile_from_event
from dispatcher.models import Route
from dispatcher.reasons import Refusal
from outbox.sealing import seal
from tests.support.examples import NOW, delivery

LEAD = Route("Lead", value=0, currency="EUR")
PURCHASE = Route("Purchase")
PERSON = {
    "email": "John_Smith@gmail.com",
    "phone": "+1 650 555 1212",
    "first_name": "Mary",
    "last_name": "O'Brien",
    "city": "Menlo Park",
    "state": "California",
    "postal_code": "94025-1234",
    "country": "United States",
    "date_of_birth": "2/16/1997",
    "gender": "Female",
}
BROWSER = {
    "ip": "2001:db8::7",
    "user_agent": "Mozilla/5.0",
    "fbp": "fb.1.1700000000000.1234567890",
    "fbc": "fb.1.1700000000000.IwAR0abc",
    "url": "https://encycam.example/form",
    "referrer": "https://search.example/",
}


def payload(route=LEAD, now=NOW, consent_default="granted", **fields):
    pending = delivery(**fields)
    built = build(pending, profile_from_event(pending.event), route, now, consent_default=consent_default)
    return json.loads(built.body) if isinstance(built, Payload) else built


def user_data(**fields):
    return payload(**fields)["user_data"]


def sha(text):
    return sha256(text.encode()).hexdigest()


def test_the_whole_identity_is_sent():
    sent = user_data(
        sealed=seal(PERSON).to_json(), visitor=BROWSER, account_id=" ACC-5 ", handl_id="HandL-1", lead_id="17"
    )
    assert list(sent) == [
        "em", "ph", "fn", "ln", "ct", "st", "zp", "country", "db", "ge",
        "client_ip_address", "client_user_agent", "fbp", "fbc", "external_id",
    ]  # fmt: skip
    assert sent["em"] == ["62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"]
    assert sent["ph"] == ["e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"]
    assert sent["external_id"] == [sha("acc-5"), sha("handl-1"), sha("lead:17")]
    assert (sent["client_ip_address"], sent["fbp"], sent["fbc"]) == ("2001:db8::7", BROWSER["fbp"], BROWSER["fbc"])


def test_the_event_has_the_shape_of_the_owners_spec():
    sent = payload(
        visitor=BROWSER,
        campaign={"source": "facebook", "medium": "cpc", "campaign": "spring", "fb_loc": "hero"},
        details={"form": "lead-form-ds25", "product": "ency-cam", "seats": 3},
        event_id="shared",
    )
    assert {name: value for name, value in sent.items() if name not in {"user_data", "custom_data"}} == {
        "event_name": "Lead",
        "event_time": int((NOW - timedelta(minutes=1)).timestamp()),
        "event_id": "shared",
        "action_source": "website",
        "event_source_url": "https://encycam.example/form",
        "referrer_url": "https://search.example/",
    }
    assert sent["custom_data"] == {
        "value": 0,
        "currency": "EUR",
        "content_name": "lead-form-ds25",
        "content_category": "ency-cam",
        "lead_source": "facebook",
        "lead_medium": "cpc",
        "lead_campaign": "spring",
        "fb_loc": "hero",
        "seats": 3,
    }


def test_a_lead_without_a_source_is_direct():
    assert payload(visitor=BROWSER)["custom_data"]["lead_source"] == "direct"


@pytest.mark.parametrize(
    ("visitor", "details", "route", "source"),
    [
        (BROWSER, {}, LEAD, "website"),
        ({"ip": "203.0.113.7", "url": "https://a.example/"}, {}, LEAD, "other"),
        ({"ip": "203.0.113.7"}, {"origin": "stripe"}, LEAD, "system_generated"),
        (BROWSER, {"origin": "stripe"}, LEAD, "website"),
        (BROWSER, {}, Route("Subscribe", action_source="system_generated"), "system_generated"),
        (BROWSER, {"action_source": "phone_call"}, LEAD, "phone_call"),
        (BROWSER, {"action_source": "moon"}, LEAD, "website"),
        ({"ip": "203.0.113.7"}, {"action_source": "website"}, LEAD, "other"),
        ({"ip": "203.0.113.7"}, {"action_source": "website", "origin": "stripe"}, LEAD, "system_generated"),
        (BROWSER, {"action_source": "website"}, LEAD, "website"),
        ({"ip": "203.0.113.7"}, {"action_source": "email"}, LEAD, "email"),
        ({"ip": "203.0.113.7"}, {}, Route("Lead", action_source="website"), "other"),
        ({"ip": "203.0.113.7"}, {"action_source": "chat"}, Route("Lead", action_source="website"), "chat"),
    ],
)
def test_action_source_says_where_it_happened(visitor, details, route, source):
    assert payload(route, visitor=visitor, details=details)["action_source"] == source


@pytest.mark.parametrize("stated", [{}, {"action_source": "website"}, {"action_source": "chat"}])
def test_a_renewal_is_generated_by_the_system_whatever_it_states(stated):
    sent = payload(Route("Subscribe"), name="subscription_renewed", visitor=BROWSER, details=stated)
    assert sent["action_source"] == "system_generated"


def test_a_borrowed_page_and_user_agent_of_two_visits_are_no_website_event():
    pending = delivery(handl_id="H", lead_id="1")
    for is_visit, source in ((True, "website"), (False, "other")):
        profile = msgspec.structs.replace(profile_from_event(pending.event), visitor=BROWSER, is_visit=is_visit)
        built = build(pending, profile, LEAD, NOW)
        assert json.loads(built.body)["action_source"] == source


def test_an_address_goes_without_its_secrets():
    visitor = BROWSER | {"url": "https://a.example/reset?token=s3cret&email=ada@example.com&utm_source=fb#frag"}
    assert payload(visitor=visitor)["event_source_url"] == "https://a.example/reset?utm_source=fb"


def test_fbc_is_made_from_fbclid_with_the_time_it_was_first_seen_and_only_without_a_cookie():
    click = {"ip": "203.0.113.7", "fbclid": "IwAR0_CaseSensitive", "fbclid_at": "2026-11-20T10:00:00+00:00"}
    assert user_data(visitor=click)["fbc"] == "fb.1.1795168800000.IwAR0_CaseSensitive"
    assert user_data(visitor=click | {"fbc": BROWSER["fbc"]})["fbc"] == BROWSER["fbc"]
    recorded = int((NOW - timedelta(minutes=1)).timestamp() * 1000)
    for unusable in (None, 5, "yesterday", "2026-11-20T10:00:00"):
        assert user_data(visitor=click | {"fbclid_at": unusable})["fbc"] == f"fb.1.{recorded}.IwAR0_CaseSensitive"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ip", "300.1.1.1"), ("ip", "01.2.3.4"), ("ip", "1.2.3"), ("ip", "é"), ("ip", 7),
        ("fbp", "nonsense"), ("fbp", ["fb.1.1700000000000.1"]), ("fbp", "fb.1.\u0661700000000000.1"), ("fbc", "fb.1.x.y"),
        ("fbclid", "with space"), ("user_agent", {"a": 1}), ("user_agent", "   "), ("url", 7.5),
    ],
)  # fmt: skip
def test_what_meta_would_refuse_is_left_out(name, value):
    sent = payload(visitor={name: value}, lead_id="1")
    assert set(sent["user_data"]) == {"external_id"}
    assert sent["action_source"] == "other"


def test_an_address_is_sent_in_its_usual_form():
    assert user_data(visitor={"ip": " 2001:DB8:0::7"})["client_ip_address"] == "2001:db8::7"
    assert user_data(visitor={"ip": " 203.0.113.7\n"})["client_ip_address"] == "203.0.113.7"


@pytest.mark.parametrize(
    "unusable",
    [
        "", "x@y.z", sha(""), "A" * 64, "g" * 64, "\u0663" * 64, ["a" * 63 + "\n"], ["", None], None, 7, {"a": 1}, [["a"]],
    ],
)  # fmt: skip
def test_only_hashes_are_passed_on(unusable):
    assert set(user_data(sealed={"meta": {"em": unusable}}, lead_id="1")) == {"external_id"}


def test_a_hash_with_metas_suffix_is_passed_on_whole():
    assert user_data(sealed={"meta": {"em": sha("a") + ".AQQAAQEA"}})["em"] == [sha("a") + ".AQQAAQEA"]


def test_of_several_hashes_each_is_passed_on_once():
    several = [sha("a"), "x", sha("b") + ".AQ", sha("a"), sha("")]
    sent = payload(sealed={"meta": {"em": several}})
    assert sent["user_data"]["em"] == [sha("a"), sha("b") + ".AQ"]


@pytest.mark.parametrize(
    ("sealed", "visitor"),
    [
        ({}, {}),
        ({}, {"user_agent": "Mozilla/5.0"}),
        ({"city": "Paris", "country": "FR", "gender": "f", "postal_code": "75001"}, {"user_agent": "Mozilla/5.0"}),
        ({"first_name": "Ada", "gender": "f"}, {}),
        ({"last_name": "Ada", "gender": "f"}, {}),
        ({"date_of_birth": "1990-12-24"}, {"user_agent": "Mozilla/5.0"}),
    ],
)
def test_insufficient_identity_is_found_before_sending(sealed, visitor):
    built = payload(sealed=seal(sealed).to_json(), visitor=visitor)
    assert built == Refusal("failed", "insufficient identity")


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"value": 10},
        {"currency": "EUR"},
        {"value": "ten", "currency": "EUR"},
        {"value": 10, "currency": "euro"},
        {"value": True, "currency": "EUR"},
        {"value": "NaN", "currency": "EUR"},
        {"value": 1e300, "currency": "EUR"},
    ],
)
def test_a_purchase_without_value_and_currency_fails(details):
    assert payload(PURCHASE, lead_id="1", details=details) == Refusal("failed", "missing value")


def test_a_purchase_carries_its_order():
    details = {"value": "49.90", "currency": "eur", "order_id": "in_1", "predicted_ltv": 600}
    custom = payload(PURCHASE, lead_id="1", details=details)["custom_data"]
    assert custom == {"value": 49.9, "currency": "EUR", "order_id": "in_1", "predicted_ltv": 600}


def test_consent_denied_sends_nothing():
    denied = {"ad_user_data": "denied"}
    assert payload(lead_id="1", consent=denied) == Refusal("skipped", "consent")
    assert payload(lead_id="1", consent_default="denied") == Refusal("skipped", "consent")
    assert isinstance(payload(lead_id="1", consent={"ad_personalization": "denied"}), dict)


def test_details_are_passed_on_except_personal_ones():
    details = {
        "seats": 3, "annual": True, "note": "call ada@example.com", "email": "a@b.c", "phone": "1", "trial days": 7,
        "nested": {"a": 1}, "_x": 1, "huge": 1e300,
    }  # fmt: skip
    custom = payload(Route("StartTrial"), lead_id="1", details=details)["custom_data"]
    assert custom == {"seats": 3, "annual": True}


def test_a_minute_ahead_is_sent_as_now():
    assert payload(lead_id="1", occurred_at=NOW + timedelta(seconds=59))["event_time"] == int(NOW.timestamp())


def test_the_receipt_names_fields_and_keeps_a_digest_of_identifiers():
    pending = delivery(sealed=seal({"email": "John_Smith@gmail.com"}).to_json(), account_id="5", visitor=BROWSER)
    built = build(pending, profile_from_event(pending.event), LEAD, NOW)
    assert built.account_id == "5"
    assert "em:62a14e44" in built.sent
    assert f"external_id:{sha('5')[:8]}" in built.sent
    assert f"client_ip_address:{sha('2001:db8::7')[:8]}" in built.sent
    assert {"value", "currency", "lead_source"} <= set(built.sent)
    assert not any("2001:db8" in field or "Mozilla" in field for field in built.sent)


def test_a_request_carries_up_to_a_thousand():
    payloads = [Payload(delivery(), b"{}", [])] * 2500
    assert [len(group) for group in registry.create("meta", "meta", Settings(), Config()).requests(payloads)] == [
        1000,
        1000,
        500,
    ]
    assert LIMITS.batch == 1000

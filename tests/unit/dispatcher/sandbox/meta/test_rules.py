"""Meta's documented rules, a row each: a changed event, and the problems that Meta finds."""

from hashlib import sha256

import pytest

from dispatcher.sandbox.meta import rules as meta
from dispatcher.sandbox.meta.errors import ERRORS, answer

NOW = 1_790_000_000
DAY = 86_400
DIGEST = sha256(b"john_smith@gmail.com").hexdigest()
EMPTY = sha256(b"").hexdigest()
HASHED = ("ph", "fn", "ln", "db", "ge", "ct", "st", "zp", "country")


def event(**changes):
    """A valid event; a change to None removes the field, `user_data__em=…` reaches inside."""
    whole = {
        "event_name": "Lead",
        "event_time": NOW - 60,
        "event_id": "e-1",
        "action_source": "website",
        "event_source_url": "https://encycam.com/lead?utm_source=google",
        "user_data": {
            "em": [DIGEST],
            "external_id": [DIGEST],
            "client_ip_address": "203.0.113.7",
            "client_user_agent": "Mozilla/5.0",
            "fbp": "fb.1.1596403881668.1098115397",
            "fbc": "fb.1.1554763741205.AbCdEfGhIjKlMnOpQrStUvWxYz1234567890",
        },
        "custom_data": {"value": 10.5, "currency": "EUR"},
    }
    for path, value in changes.items():
        *outer, last = path.split("__")
        holder = whole
        for key in outer:
            holder = holder[key]
        if value is None:
            del holder[last]
        else:
            holder[last] = value
    return whole


def found(one, *, fatal=True):
    return [(problem.field, problem.code) for problem in meta.judge(one, NOW) if problem.fatal is fatal]


def test_a_valid_event_has_no_problem_and_no_remark():
    assert meta.judge(event(), NOW) == []


REFUSED = [
    # required fields
    ({"event_name": None}, "event_name", "100"),
    ({"event_name": " "}, "event_name", "100"),
    ({"event_time": None}, "event_time", "100"),
    ({"action_source": None}, "action_source", "100"),
    ({"action_source": "web"}, "action_source", "100"),
    ({"user_data": "none"}, "user_data", "100"),
    ({"user_data": None}, "user_data", "100"),
    ({"event_id": ""}, "event_id", "100"),
    ({"event_id": 7}, "event_id", "100"),
    ({"opt_out": "no"}, "opt_out", "100"),
    # website events need a page and a user agent
    ({"event_source_url": None}, "event_source_url", "100"),
    ({"event_source_url": "encycam.com"}, "event_source_url", "100"),
    ({"user_data__client_user_agent": None}, "user_data.client_user_agent", "100"),
    # time: Unix seconds, 7 days back, 60 s ahead
    ({"event_time": NOW - 7 * DAY - 1}, "event_time", "100/2804003"),
    ({"event_time": NOW + 61}, "event_time", "100"),
    ({"event_time": NOW * 1000}, "event_time", "100"),
    ({"event_time": NOW + 0.5}, "event_time", "100"),
    ({"event_time": str(NOW)}, "event_time", "100"),
    ({"event_time": True}, "event_time", "100"),
    ({"event_time": 10**400}, "event_time", "100"),
    ({"event_time": NOW - 62 * DAY - 1, "action_source": "physical_store"}, "event_time", "100/2804003"),
    # hashed parameters
    ({"user_data__em": ["john_smith@gmail.com"]}, "user_data.em", "100"),
    ({"user_data__em": [DIGEST.upper()]}, "user_data.em", "100"),
    ({"user_data__em": [DIGEST[:32]]}, "user_data.em", "100"),
    ({"user_data__em": [DIGEST + ".abc"]}, "user_data.em", "100"),
    ({"user_data__em": [EMPTY]}, "user_data.em", "100"),
    ({"user_data__em": EMPTY + ".AQQAAQEA"}, "user_data.em", "100"),
    ({"user_data__em": []}, "user_data.em", "100"),
    ({"user_data__em": ""}, "user_data.em", "100"),
    ({"user_data__em": [None]}, "user_data.em", "100"),
    *(({f"user_data__{key}": ["x"]}, f"user_data.{key}", "100") for key in HASHED),
    # parameters that are not hashed
    ({"user_data__external_id": []}, "user_data.external_id", "100"),
    ({"user_data__external_id": [""]}, "user_data.external_id", "100"),
    ({"user_data__external_id": [EMPTY]}, "user_data.external_id", "100"),
    ({"user_data__client_ip_address": "203.0.113"}, "user_data.client_ip_address", "100"),
    ({"user_data__client_ip_address": " 203.0.113.7"}, "user_data.client_ip_address", "100"),
    ({"user_data__client_ip_address": "203.0.113.7, 10.0.0.1"}, "user_data.client_ip_address", "100"),
    ({"user_data__client_ip_address": "1\x002"}, "user_data.client_ip_address", "100"),
    ({"user_data__client_user_agent": ""}, "user_data.client_user_agent", "100"),
    ({"user_data__fbp": "1098115397"}, "user_data.fbp", "100"),
    ({"user_data__fbc": "AbCdEf"}, "user_data.fbc", "100/2804001"),
    ({"user_data__fbc": "fb.1.AbCdEf"}, "user_data.fbc", "100/2804001"),
    ({"user_data__fbc": ["fb.1.1554763741205.AbCdEf"]}, "user_data.fbc", "100/2804001"),
    ({"user_data__lead_id": 1.5}, "user_data.lead_id", "100"),
    # custom data
    ({"custom_data": []}, "custom_data", "100"),
    ({"custom_data__value": "10"}, "custom_data.value", "100"),
    ({"custom_data__currency": "EURO"}, "custom_data.currency", "100"),
    ({"custom_data__contents": ["sku"]}, "custom_data.contents", "100"),
    ({"custom_data__content_ids": "sku"}, "custom_data.content_ids", "100"),
    ({"custom_data__delivery_category": "drone"}, "custom_data.delivery_category", "100"),
    ({"custom_data__predicted_ltv": True}, "custom_data.predicted_ltv", "100"),
    ({"event_name": "Purchase", "custom_data__value": None}, "custom_data.value", "100/2804009"),
    ({"event_name": "Purchase", "custom_data__currency": None}, "custom_data.currency", "100/2804009"),
    ({"event_name": "Purchase", "custom_data": None}, "custom_data.value", "100/2804009"),
    # Limited Data Use
    ({"data_processing_options": "LDU"}, "data_processing_options", "100"),
    (
        {"data_processing_options": ["LDU"], "data_processing_options_country": 1},
        "data_processing_options",
        "100/2804030",
    ),
]


@pytest.mark.parametrize(("changes", "field", "code"), REFUSED)
def test_what_the_documentation_forbids_is_refused_with_its_number(changes, field, code):
    problems = found(event(**changes))
    assert problems[0] == (field, code)
    assert code in ERRORS


ACCEPTED = [
    {"event_time": NOW - 7 * DAY},
    {"event_time": NOW + 60},
    {"event_time": NOW - 62 * DAY, "action_source": "physical_store"},
    {"action_source": "system_generated", "event_source_url": None, "user_data__client_user_agent": None},
    {"user_data__em": DIGEST},
    {"user_data__em": [DIGEST, DIGEST + ".AQ", DIGEST + ".AQQAAQEA"]},
    {"user_data__client_ip_address": "2001:db8::8a2e:370:7334"},
    {"user_data__client_ip_address": "203.0.113.7.AQQAAQEA"},
    {"user_data__fbc": "fb.2.1554763741205.IwAR2F4-dbP0l7Mn1IawQQGCINEz7PYXQvwjNwB_qa2ofrHyiLjcbCRxTDMgk.AQQAAQEA"},
    {"user_data__fbp": "fb.1.1596403881668.1098115397.AQ"},
    {"user_data__lead_id": 525645896321548},
    {"custom_data": None},
    {"custom_data__value": 0},
    {"custom_data__our_own": "anything"},
    {"event_name": "EmailVerified"},
    {"event_name": "Purchase"},
    {"data_processing_options": []},
    {
        "data_processing_options": ["LDU"],
        "data_processing_options_country": 0,
        "data_processing_options_state": 0,
    },
]


@pytest.mark.parametrize("changes", ACCEPTED)
def test_what_the_documentation_allows_is_taken_without_a_remark(changes):
    assert meta.judge(event(**changes), NOW) == []


@pytest.mark.parametrize(
    "keys",
    [
        "",
        "ct country st zp ge client_user_agent",
        "country",
        "client_user_agent",
        "db client_user_agent",
        "db",
        "fn ge",
        "ln ge",
        "page_id client_user_agent",
    ],
)
def test_combinations_that_identify_nobody_are_refused_as_insufficient(keys):
    held = {key: "Mozilla" if key == "client_user_agent" else DIGEST for key in keys.split()}
    assert found(event(action_source="other", user_data=held)) == [("user_data", "100/2804050")]


@pytest.mark.parametrize("keys", ["em", "ph", "fn ln", "fn ct", "external_id", "db ct", "db fn", "ln zp"])
def test_other_combinations_are_enough(keys):
    assert found(event(action_source="other", user_data=dict.fromkeys(keys.split(), DIGEST))) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_id": None}, "event_id"),
        ({"user_data__external_id": ["account-7"]}, "user_data.external_id"),
        ({"user_data__fbc": "fb.1.1554763741.AbCdEf"}, "user_data.fbc"),
        ({"user_data__email": DIGEST}, "user_data.email"),
        ({"custom_data__currency": None}, "custom_data.currency"),
        ({"event_source": "crm"}, "event_source"),
    ],
)
def test_what_is_unwise_but_taken_is_only_a_remark(changes, field):
    one = event(**changes)
    assert found(one) == []
    assert [where for where, _code in found(one, fatal=False)] == [field]


@pytest.mark.parametrize("one", [None, [], "event", 7, {}])
def test_anything_else_than_an_event_is_refused_and_never_raises(one):
    assert found(one)


def test_a_problem_never_repeats_the_value():
    one = event(user_data__em=["someone@example.com"], user_data__ph="+15551234567", event_source_url="ftp://secret")
    said = repr(meta.judge(one, NOW))
    assert "someone" not in said
    assert "5551234567" not in said
    assert "ftp" not in said


def test_an_error_answer_has_the_documented_shape():
    error = answer(ERRORS["100/2804003"], "data[0].event_time is older than 7 days")["error"]
    assert error.pop("fbtrace_id").startswith("A")
    assert error == {
        "message": "Invalid parameter",
        "type": "OAuthException",
        "code": 100,
        "error_subcode": 2804003,
        "is_transient": False,
        "error_user_title": "Event Timestamp Too Old",
        "error_user_msg": "data[0].event_time is older than 7 days",
    }

"""GA4's documented rules, a row each: a changed request, and the validation messages it gets."""

from hashlib import sha256

import pytest

from dispatcher.sandbox.ga4 import rules as ga4

NOW = 1_790_000_000
HOUR = 3600 * 1_000_000
MICROS = NOW * 1_000_000
DIGEST = sha256(b"johnsmith@gmail.com").hexdigest()
EMPTY = sha256(b"").hexdigest()


def body(**changes):
    """A valid request; a change to None removes the field, `consent__ad_user_data=…` reaches inside."""
    whole = {
        "client_id": "1234567890.1700000000",
        "user_id": "account-7",
        "timestamp_micros": MICROS - HOUR,
        "user_properties": {"lead_source": {"value": "google"}},
        "user_data": {"sha256_email_address": [DIGEST], "sha256_phone_number": [DIGEST]},
        "consent": {"ad_user_data": "GRANTED", "ad_personalization": "DENIED"},
        "events": [{"name": "generate_lead", "params": params()}],
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


def params(**changes):
    return {"event_id": "e-1", "value": 10.5, "currency": "EUR", "session_id": "1700000000", **changes}


def with_event(name="generate_lead", **changes):
    return body(events=[{"name": name, "params": params(**changes)}])


def purchase(**changes):
    whole = with_event("purchase", transaction_id="in_1", items=[{"item_id": "ency", "item_name": "ENCY", "price": 9}])
    for key, value in changes.items():
        if value is None:
            del whole["events"][0]["params"][key]
        else:
            whole["events"][0]["params"][key] = value
    return whole


def messages(request, **options):
    return [(problem.field, problem.code) for problem in ga4.judge(request, NOW, **options).all()]


REQUIRED, INVALID, BOUNDS = "VALUE_REQUIRED", "VALUE_INVALID", "VALUE_OUT_OF_BOUNDS"
NAME, RESERVED, MANY = "NAME_INVALID", "NAME_RESERVED", "EXCEEDED_MAX_ENTITIES"
P = "events[0].params"


@pytest.mark.parametrize("request_body", [body(), purchase(), with_event("refund", transaction_id="in_1")])
def test_a_valid_request_has_no_messages(request_body):
    assert messages(request_body) == []


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"client_id": None}, "client_id", REQUIRED),
        ({"client_id": ""}, "client_id", INVALID),
        ({"client_id": 12.5}, "client_id", INVALID),
        ({"user_id": "x" * 257}, "user_id", BOUNDS),
        ({"user_id": "someone@example.com"}, "user_id", INVALID),
        ({"user_id": 7}, "user_id", INVALID),
        ({"unknown": 1}, "unknown", INVALID),
        ({"events": None, "user_data": None}, "events", REQUIRED),
        ({"events": [], "user_data": None}, "events", REQUIRED),
        ({"events": {}}, "events", INVALID),
        ({"events": [{"name": "a"}] * 26}, "events", MANY),
        ({"events": ["a"]}, "events[0]", INVALID),
        # time: at most 72 h back, not ahead
        ({"timestamp_micros": MICROS - 72 * HOUR - 1}, "timestamp_micros", INVALID),
        ({"timestamp_micros": MICROS + 61_000_000}, "timestamp_micros", INVALID),
        ({"timestamp_micros": NOW}, "timestamp_micros", INVALID),
        ({"timestamp_micros": "yesterday"}, "timestamp_micros", INVALID),
        ({"events": [{"name": "a", "timestamp_micros": NOW * 1000}]}, "events[0].timestamp_micros", INVALID),
        # user properties: 25, names of 24, values of 36
        ({"user_properties": {f"p{i}": {"value": 1} for i in range(26)}}, "user_properties", MANY),
        ({"user_properties": {"p" * 25: {"value": 1}}}, "user_properties." + "p" * 25, NAME),
        ({"user_properties": {"p": {"value": "x" * 37}}}, "user_properties.p.value", BOUNDS),
        ({"user_properties": {"p": "x"}}, "user_properties.p", INVALID),
        ({"user_properties": {"p": {"value": None}}}, "user_properties.p.value", INVALID),
        ({"user_properties": {"google_x": {"value": 1}}}, "user_properties.google_x", RESERVED),
        ({"user_properties": {"first_open_time": {"value": 1}}}, "user_properties.first_open_time", RESERVED),
        ({"user_properties": []}, "user_properties", INVALID),
        # user-provided data
        ({"user_data": "x"}, "user_data", INVALID),
        ({"user_data": {"email": DIGEST}}, "user_data.email", INVALID),
        ({"user_data": {"sha256_email_address": []}}, "user_data.sha256_email_address", INVALID),
        ({"user_data": {"sha256_email_address": ["a@b.c"]}}, "user_data.sha256_email_address[0]", INVALID),
        ({"user_data": {"sha256_email_address": [EMPTY]}}, "user_data.sha256_email_address[0]", INVALID),
        ({"user_data": {"sha256_email_address": [DIGEST.upper()]}}, "user_data.sha256_email_address[0]", INVALID),
        ({"user_data": {"sha256_phone_number": [DIGEST] * 4}}, "user_data.sha256_phone_number", MANY),
        ({"user_data": {"address": [{}, {}, {}]}}, "user_data.address", MANY),
        ({"user_data": {"address": [{"city": "Limassol"}]}}, "user_data.address[0].city", INVALID),
        ({"user_data": {"address": [{"postal_code": "SW1A.1"}]}}, "user_data.address[0].postal_code", INVALID),
        ({"user_data": {"address": [{"country": "CYP"}]}}, "user_data.address[0].country", INVALID),
        ({"user_data": {"address": [{"sha256_last_name": "x"}]}}, "user_data.address[0].sha256_last_name", INVALID),
        # consent, place, device
        ({"consent__ad_user_data": "granted"}, "consent.ad_user_data", INVALID),
        ({"consent": {"analytics": "GRANTED"}}, "consent", INVALID),
        ({"ip_override": "1.2.3"}, "ip_override", INVALID),
        ({"user_agent": ""}, "user_agent", INVALID),
        ({"user_location": {"town": "x"}}, "user_location", INVALID),
        ({"device": {"category": 1}}, "device", INVALID),
        ({"validation_behavior": "STRICT"}, "validation_behavior", INVALID),
    ],
)
def test_what_the_documentation_forbids_of_a_request_gets_its_message(changes, field, code):
    assert messages(body(**changes))[0] == (field, code)


@pytest.mark.parametrize(
    ("request_body", "field", "code"),
    [
        (with_event("1st"), "events[0].name", NAME),
        (with_event("with-dash"), "events[0].name", NAME),
        (with_event("e" * 41), "events[0].name", NAME),
        (with_event(7), "events[0].name", NAME),
        *((with_event(name), "events[0].name", RESERVED) for name in ("session_start", "ga_x", "_x", "screen_view")),
        (body(events=[{"params": {}}]), "events[0].name", REQUIRED),
        (body(events=[{"name": "a", "parameters": {}}]), "events[0].parameters", INVALID),
        (body(events=[{"name": "a", "params": []}]), P, INVALID),
        # parameters: 25, names of 40, values of 100, page_… longer
        (with_event(**{f"p{i}": 1 for i in range(22)}), P, MANY),
        (with_event(**{"p" * 41: 1}), f"{P}.{'p' * 41}", NAME),
        (with_event(ga_event_id="e-1"), f"{P}.ga_event_id", RESERVED),
        (with_event(firebase_conversion=1), f"{P}.firebase_conversion", RESERVED),
        (with_event(method="x" * 101), f"{P}.method", BOUNDS),
        (with_event(page_title="x" * 301), f"{P}.page_title", BOUNDS),
        (with_event(page_referrer="x" * 421), f"{P}.page_referrer", BOUNDS),
        (with_event(page_location="x" * 1001), f"{P}.page_location", BOUNDS),
        (with_event(method=None), f"{P}.method", INVALID),
        (with_event(method=["a"]), f"{P}.method", INVALID),
        (with_event(method={}), f"{P}.method", INVALID),
        (with_event(session_id="abc"), f"{P}.session_id", INVALID),
        (with_event(engagement_time_msec=-1), f"{P}.engagement_time_msec", INVALID),
        # money
        (with_event(value="10"), f"{P}.value", INVALID),
        (body(events=[{"name": "generate_lead", "params": {"value": 1}}]), f"{P}.currency", REQUIRED),
        (with_event(currency="eur"), f"{P}.currency", INVALID),
        *(
            (purchase(**{key: None}), f"{P}.{key}", REQUIRED)
            for key in ("transaction_id", "value", "currency", "items")
        ),
        (purchase(transaction_id=""), f"{P}.transaction_id", REQUIRED),
        (with_event("refund"), f"{P}.transaction_id", REQUIRED),
        (with_event(transaction_id=""), f"{P}.transaction_id", INVALID),
        # items
        (purchase(items=[]), f"{P}.items", REQUIRED),
        (purchase(items="ency"), f"{P}.items", INVALID),
        (purchase(items=[{"item_id": "a"}] * 201), f"{P}.items", MANY),
        (purchase(items=["ency"]), f"{P}.items[0]", INVALID),
        (purchase(items=[{"price": 1}]), f"{P}.items[0]", REQUIRED),
        (purchase(items=[{"item_id": "a", **{f"own{i}": 1 for i in range(11)}}]), f"{P}.items[0]", MANY),
        (purchase(items=[{"item_id": "x" * 101}]), f"{P}.items[0].item_id", BOUNDS),
    ],
)
def test_what_the_documentation_forbids_of_an_event_gets_its_message(request_body, field, code):
    assert messages(request_body) == [(field, code)]


@pytest.mark.parametrize(
    "request_body",
    [
        body(user_id=None, user_data=None, consent=None, user_properties=None, timestamp_micros=None),
        body(timestamp_micros=MICROS - 72 * HOUR),
        body(timestamp_micros=str(MICROS)),
        body(events=[{"name": "a", "params": {}, "timestamp_micros": MICROS}] * 25),
        body(events=[{"name": "a"}]),
        body(user_properties={"p" * 24: {"value": "x" * 36, "timestamp_micros": MICROS}}),
        body(
            user_data={
                "address": [
                    {"sha256_first_name": DIGEST, "city": "são paulo", "postal_code": "SW1A 1AA", "country": "GB"}
                ]
            }
        ),
        body(ip_override="2001:db8::1", user_agent="Mozilla/5.0", user_location={"country_id": "CY"}),
        with_event("file_download"),
        with_event("e" * 40, page_location="x" * 1000, method="x" * 100, session_id=1700000000, engagement_time_msec=1),
        with_event(**{f"p{i}": 1 for i in range(21)}),
        purchase(items=[{"item_name": "a", **{f"own{i}": 1 for i in range(10)}}] * 200),
    ],
)
def test_what_the_documentation_allows_gets_no_message(request_body):
    assert messages(request_body) == []


def test_user_data_without_events_is_a_valid_request():
    assert messages(body(events=None)) == []
    assert messages(body(events=[])) == []


def test_a_stale_timestamp_is_reported_only_under_enforced_recommendations():
    stale = body(timestamp_micros=MICROS - 73 * HOUR)
    assert messages(stale, enforce=True) == [("timestamp_micros", INVALID)]
    assert messages(stale, enforce=False) == []


def test_an_event_carries_its_own_problems_and_the_envelope_those_that_all_share():
    judgement = ga4.judge(body(client_id="", events=[{"name": "a"}, {"name": "ga_b"}]), NOW)
    assert [problem.field for problem in judgement.envelope] == ["client_id"]
    assert [[problem.field for problem in event] for event in judgement.events] == [[], ["events[1].name"]]


@pytest.mark.parametrize("content", [None, [], "x", 7, {}])
def test_anything_else_than_a_request_gets_a_message_and_never_raises(content):
    assert messages(content)

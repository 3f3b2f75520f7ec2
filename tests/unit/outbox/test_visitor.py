"""The browser as read from one request."""

import pickle
from datetime import UTC, datetime, timedelta, timezone

import pytest

from outbox.campaign import Campaign
from outbox.consent import SIGNALS
from outbox.visitor import Visitor

NOW = datetime(2026, 5, 24, 10, 0, 0, 123_000, tzinfo=UTC)
FBP = "fb.1.1596403881668.1116446470"
OTHER_FBP = "fb.1.1700000000000.99"
FBC = "fb.1.1554763741205.IwAR2F4-dbP0l7Mn1"
FBCLID = "IwAR2F4-dbP0l7Mn1"
OTHER_FBC = "fb.1.1600000000000.IwY2xjawOther"
STREAM = "G-XLHMXGR17M"
GA = "GA1.1.286403989.1366364567"
GS2 = "GS2.1.s1748934661$o208$g1$t1748935291$j60$l0$h0"
FIELDS = ("ip", "user_agent", "fbp", "fbc", "fbclid", "ga_client_id", "ga_session_id", "url", "referrer")


def seen(**request):
    return Visitor.from_request(**{"headers": {}, "now": NOW, **request})


def test_a_form_post_from_a_landing_page_has_everything():
    visitor = seen(
        headers={
            "HOST": "crm.encycam.com",
            "User-Agent": "Mozilla/5.0",
            "Referer": f"https://crm.encycam.com/form?fbclid={FBCLID}&utm_source=fb&utm_medium=cpc&fb_loc=hero&token=x",
            "X-Forwarded-For": "8.8.8.8, 2001:db8::7",
            "Cookie": f"_ga={GA}; _ga_XLHMXGR17M={GS2}; _ga_OTHER=GS1.1.1.1; _fbp={FBP}.AQQAAQEA; handlID=1432",
        },
        query="?fb_event_id=35009a79-1a05-49d7-b876-2b884d0f825b&fb_source=own-it",
        remote="10.0.0.1",
        ga_stream=STREAM,
        consent={"ad_user_data": "granted", "ad_personalization": "denied"},
    )
    assert visitor == Visitor(
        ip="2001:db8::7",
        user_agent="Mozilla/5.0",
        fbp=f"{FBP}.AQQAAQEA",
        fbclid=FBCLID,
        fbclid_at=NOW,
        ga_client_id="286403989.1366364567",
        ga_session_id="1748934661",
        url=f"https://crm.encycam.com/form?fbclid={FBCLID}&utm_source=fb&utm_medium=cpc&fb_loc=hero",
        event_id="35009a79-1a05-49d7-b876-2b884d0f825b",
        handl_id="1432",
        campaign=Campaign(source="fb", medium="cpc", fb_source="own-it", fb_loc="hero"),
        consent={"ad_user_data": "granted", "ad_personalization": "denied"},
    )
    assert visitor.notes == ()
    assert visitor.to_json()["fbclid_at"] == "2026-05-24T10:00:00.123+00:00"


def test_an_empty_request_has_nothing():
    visitor = seen()
    assert visitor == Visitor()
    assert visitor.to_json() == {}
    assert repr(visitor) == "Visitor()"


@pytest.mark.parametrize(
    ("query", "jar", "expected"),
    [
        ({"fbp": FBP}, {"_fbp": OTHER_FBP}, FBP),  # the parameter takes precedence
        ({}, {"_fbp": OTHER_FBP}, OTHER_FBP),
        ({"fbp": "undefined"}, {"_fbp": OTHER_FBP}, OTHER_FBP),
        ({"fbp": ["", "junk", FBP]}, {}, FBP),
        ({"fbp": ""}, {}, None),
    ],
)
def test_the_browser_id_is_the_parameter_then_the_cookie(query, jar, expected):
    assert seen(query=query, cookies=jar).fbp == expected


@pytest.mark.parametrize(
    ("case", "query", "jar", "click"),
    [
        ("the cookie", {}, {"_fbc": FBC}, (FBC, None, None)),
        ("the parameter first", {"fbc": OTHER_FBC}, {"_fbc": FBC}, (OTHER_FBC, None, None)),
        ("the same click: the cookie knows its time", {"fbclid": FBCLID}, {"_fbc": FBC}, (FBC, None, None)),
        ("with an appendix too", {"fbclid": FBCLID}, {"_fbc": f"{FBC}.AQQAAQEA"}, (f"{FBC}.AQQAAQEA", None, None)),
        ("a newer click", {"fbclid": "New"}, {"_fbc": FBC}, (None, "New", NOW)),
        ("case is part of it", {"fbclid": FBCLID.lower()}, {"_fbc": FBC}, (None, FBCLID.lower(), NOW)),
        ("no cookie", {"fbclid": FBCLID}, {}, (None, FBCLID, NOW)),
        ("which cookie or parameter holds it", {"fbclid": FBCLID, "fbc": OTHER_FBC}, {"_fbc": FBC}, (FBC, None, None)),
        ("a malformed click is none", {"fbclid": "a b"}, {"_fbc": FBC}, (FBC, None, None)),
        ("a malformed cookie is none", {"fbclid": FBCLID}, {"_fbc": "fb.1.x.y"}, (None, FBCLID, NOW)),
        ("HandL's cookie, of unknown time", {}, {"fbclid": FBCLID}, (None, FBCLID, None)),
        ("HandL's cookie is older", {}, {"fbclid": "Old", "_fbc": FBC}, (FBC, None, None)),
    ],
)
def test_a_click_is_known_by_the_time_it_was_first_seen(case, query, jar, click):
    visitor = seen(query=query, cookies=jar)
    assert (visitor.fbc, visitor.fbclid, visitor.fbclid_at) == click, case


@pytest.mark.parametrize(
    ("query", "jar", "stream", "expected"),
    [
        ({}, {"_ga_XLHMXGR17M": GS2, "_ga_OTHER": "GS1.1.1.1"}, STREAM, "1748934661"),
        ({}, {"_ga_XLHMXGR17M": GS2}, None, "1748934661"),
        ({}, {"_ga_XLHMXGR17M": GS2, "_ga_OTHER": "GS1.1.1.1"}, None, None),  # the stream is not named
        ({"ga_session_id": "5"}, {"_ga_OTHER": GS2}, STREAM, "5"),
        ({"ga_session_id": "5"}, {"_ga_XLHMXGR17M": GS2}, STREAM, "1748934661"),
        ({"ga_session_id": 5}, {}, STREAM, "5"),
        ({}, {"_ga_XLHMXGR17M": "GS2.1.s1748934661%24o208%24g1"}, STREAM, "1748934661"),
        ({}, {"_gat_UA": "1", "_ga": GA}, None, None),
    ],
)
def test_the_session_is_that_of_the_stream(query, jar, stream, expected):
    assert seen(query=query, cookies=jar, ga_stream=stream).ga_session_id == expected


def test_the_ga_cookie_comes_before_the_parameter():
    assert seen(query={"ga_client_id": "1.2"}, cookies={"_ga": GA}).ga_client_id == "286403989.1366364567"
    assert seen(query={"ga_client_id": "1.2"}).ga_client_id == "1.2"


@pytest.mark.parametrize("name", ["handlID", "handl_id", "handlid"])
def test_handlid_is_known_by_its_spellings(name):
    assert seen(query={name: "7"}, cookies={name: "8"}).handl_id == "7"
    assert seen(cookies={name: "8"}).handl_id == "8"


@pytest.mark.parametrize("value", ["undefined", "null", "NaN", "[object Object]", "{{event_id}}", "a" * 257, "a\0b"])
def test_an_event_id_that_a_script_failed_to_fill_in_is_no_event_id(value):
    visitor = seen(query={"fb_event_id": value})
    assert visitor.event_id is None
    assert visitor.notes == ("event_id: not an identifier, left out",)


PAGE = "https://crm.example/form?fb_event_id=1&utm_source=a&token=x"


@pytest.mark.parametrize(
    ("case", "request_", "url", "referrer"),
    [
        ("a form's page posts it", {"headers": {"Referer": PAGE}}, PAGE[:-8], None),
        (
            "the page, and where it was come from",
            {"headers": {"Referer": "https://g.example/"}, "url": PAGE},
            PAGE[:-8],
            "https://g.example/",
        ),
        (
            "a forwarded referrer",
            {"headers": {"Referer": PAGE}, "query": {"referrer": "https://g.example/?email=x"}},
            PAGE[:-8],
            "https://g.example/",
        ),
        ("no web page", {"headers": {"Referer": "about:blank"}}, None, None),
        (
            "a malformed url is not replaced by another page",
            {"headers": {"Referer": PAGE}, "url": "/form"},
            None,
            PAGE[:-8],
        ),
    ],
)
def test_the_page_is_the_url_given_else_the_referer(case, request_, url, referrer):
    visitor = seen(**request_)
    assert (visitor.url, visitor.referrer) == (url, referrer), case


@pytest.mark.parametrize(
    ("host", "url", "event_id", "source"),
    [
        ("crm.example", None, "1", "a"),  # the form is on our host
        ("other.example", None, None, None),  # another host's page has its own parameters
        (None, None, None, None),
        (None, PAGE, "1", "a"),
    ],
)
def test_parameters_may_stand_in_the_address_of_the_page(host, url, event_id, source):
    visitor = seen(headers={"Referer": PAGE} | ({"Host": host} if host else {}), url=url)
    assert visitor.event_id == event_id
    assert (visitor.campaign and visitor.campaign.source) == source


@pytest.mark.parametrize(
    ("query", "jar", "campaign"),
    [
        ("utm_source=fb&utm_campaign=a+b&fb_loc=hero", {}, Campaign(source="fb", campaign="a b", fb_loc="hero")),
        ("", {"utm_source": "fb", "utm_term": "5%20axis"}, Campaign(source="fb", term="5 axis")),
        ("utm_source=fb", {"utm_source": "x", "utm_medium": "cpc"}, Campaign(source="fb")),  # clicks are not mixed
        ("fb_loc=hero", {"utm_source": "x"}, Campaign(source="x", fb_loc="hero")),
        ("utm_source=undefined&utm_source=fb", {}, Campaign(source="fb")),
        ("utm_content=john%40example.com", {}, None),
        ("utm_term=a%00b%0A", {}, Campaign(term="ab")),
        ("utm_term=" + "a" * 1_000, {}, Campaign(term="a" * 256)),
        ("", {}, None),
    ],
)
def test_a_campaign_is_that_of_one_click(query, jar, campaign):
    assert seen(query=query, cookies=jar).campaign == campaign


@pytest.mark.parametrize(
    ("consent", "query", "jar", "expected"),
    [
        ({"ad_user_data": "GRANTED"}, {}, {}, {"ad_user_data": "granted"}),
        (
            {"ad_user_data": False, "ad_personalization": True, "ad_storage": "denied"},
            {},
            {},
            {"ad_user_data": "denied", "ad_personalization": "granted", "ad_storage": "denied"},
        ),
        ({"ad_user_data": "granted"}, {"ad_user_data": "denied"}, {}, {"ad_user_data": "granted"}),  # the CRM's value
        (None, {"ad_user_data": "denied"}, {"ad_user_data": "granted"}, {"ad_user_data": "denied"}),
        (None, {}, {"ad_personalization": "denied"}, {"ad_personalization": "denied"}),
        (None, {"ad_user_data": False}, {}, {"ad_user_data": "denied"}),
        ({"ad_user_data": "perhaps"}, {}, {}, {"ad_user_data": "denied"}),  # a mistake is not a permission
        ("denied", {}, {}, dict.fromkeys(SIGNALS, "denied")),
        ({"ad_user_data": None, "ad_personalization": ""}, {}, {}, dict.fromkeys(SIGNALS, "denied")),
        (None, {"ad_user_data": "", "ad_storage": "undefined"}, {"ad_user_data": "denied"}, {"ad_user_data": "denied"}),
        (None, {"gcs": "G100"}, {}, None),
        (None, {}, {}, None),
    ],
)
def test_consent_is_the_crms_word_else_what_was_forwarded(consent, query, jar, expected):
    assert seen(consent=consent, query=query, cookies=jar).consent == expected


def test_of_several_cookies_of_one_name_the_first_well_formed_one_counts():
    header = f'_fbp=junk; _fbp="{FBP}"; _fbp={OTHER_FBP}; broken; =x; _ga={GA}'
    visitor = seen(headers={"cookie": header})
    assert (visitor.fbp, visitor.ga_client_id) == (FBP, "286403989.1366364567")
    assert visitor.notes == ("fbp: not of the form fb.<n>.<ms>.<id>, left out",)


def test_fields_of_the_form_come_before_the_query_and_its_campaign_is_not_mixed_with_the_querys():
    visitor = seen(
        form={"fb_event_id": "form", "fbp": ["", "junk", FBP], "utm_source": "form"},
        query=f"fb_event_id=query&fbp={OTHER_FBP}&utm_source=query&utm_medium=query&handlID=7",
    )
    assert (visitor.event_id, visitor.fbp, visitor.handl_id) == ("form", FBP, "7")
    assert visitor.campaign == Campaign(source="form")


class MultiDict(dict):
    """A mapping as in frameworks: `items` returns one value of each name."""

    def items(self):
        return [(name, values[-1]) for name, values in super().items()]


class OfStarlette(MultiDict):
    def multi_items(self):
        return [(name, value) for name, values in super(MultiDict, self).items() for value in values]


class OfDjango(MultiDict):
    def lists(self):
        return super(MultiDict, self).items()


@pytest.mark.parametrize("kind", [dict, OfStarlette, OfDjango])
def test_all_values_of_a_name_are_seen_in_the_mappings_of_every_framework(kind):
    values = kind({"fbp": [FBP, "", "junk"], "utm_source": ["a", "b"]})
    for given in ({"query": values}, {"form": values}):
        assert (seen(**given).fbp, seen(**given).campaign) == (FBP, Campaign(source="a"))
    assert seen(cookies=kind({"_fbp": ["junk", FBP]})).fbp == FBP


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Frühling 日本", "Frühling 日本"),
        ("Frühling", "Frühling"),
        ("Frühling 日本".encode().decode("latin-1"), "Frühling 日本"),  # WSGI and Starlette
        (b"Fr\xfchling".decode("latin-1"), "Frühling"),
        (b"Fr\xfchling".decode("utf-8", "surrogateescape"), "Frühling"),  # aiohttp
        ("Fr\ud800hling", "Frhling"),
    ],
)
def test_text_is_what_the_browser_wrote_however_a_framework_decoded_it(text, expected):
    assert seen(headers={"User-Agent": text}).user_agent == expected
    assert seen(headers={"Cookie": f"utm_source={text}"}).campaign == Campaign(source=expected)
    assert seen(query=f"utm_source={text}").campaign == Campaign(source=expected)


def test_half_a_cookie_at_the_end_of_what_is_read_is_not_taken_for_a_whole_one():
    header = "x=" + "y" * 65_510 + f"; _ga={GA}"
    visitor = seen(headers={"Cookie": header})
    assert visitor.ga_client_id is None
    assert visitor.notes == ("cookies: only the first 65536 characters were read",)


def test_the_user_agent_is_kept_without_what_cannot_be_stored():
    assert seen(headers={"User-Agent": "Mozilla\x00/5.0\n(X\ud800)" + " " * 3_000}).user_agent == "Mozilla/5.0 (X)"
    assert len(seen(headers={"User-Agent": "M" * 10_000_000}).user_agent) == 1_000


@pytest.mark.parametrize(
    "junk", [None, 5, b"bytes", ["a"], object(), "text", {1: 2}, {"fbp": object()}, {"a": {"b": 1}}]
)
def test_arguments_of_the_wrong_type_are_ignored(junk):
    visitor = Visitor.from_request(
        headers=junk, cookies=junk, query=junk, form=junk, remote=junk, url=junk, trusted_proxies=junk, ip_headers=junk,
        ga_stream=junk, now=junk,
    )  # fmt: skip
    assert visitor.to_json() == {}


def test_the_constructor_leaves_out_what_is_malformed_and_notes_it():
    visitor = Visitor(fbp="junk", ip="1.2.3.4", url=5, handl_id=1432, consent={"ad_user_data": "perhaps"}, campaign="x")
    assert visitor.to_json() == {"ip": "1.2.3.4"}
    assert (visitor.handl_id, visitor.campaign) == ("1432", None)
    assert visitor.notes == (
        "fbp: not of the form fb.<n>.<ms>.<id>, left out",
        "url: not an absolute http(s) URL, left out",
        "consent.ad_user_data: neither granted nor denied, taken as denied",
    )


@pytest.mark.parametrize(
    ("moment", "ms"),
    [
        (datetime(2026, 5, 24, 10, 0), "2026-05-24T10:00:00.000+00:00"),  # noqa: DTZ001 - naive is UTC
        (datetime(2026, 5, 24, 10, 0, tzinfo=timezone(timedelta(hours=3))), "2026-05-24T07:00:00.000+00:00"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=3))), None),
        (1716540000000, None),
    ],
)
def test_the_time_of_a_click_is_written_in_utc(moment, ms):
    assert Visitor(fbclid=FBCLID, fbclid_at=moment).to_json().get("fbclid_at") == ms


def test_a_repr_shows_what_is_set_and_no_personal_data():
    visitor = seen(
        headers={"User-Agent": "Mozilla", "Referer": PAGE}, query={"fbp": FBP, "utm_source": "fb"}, remote="1.2.3.4"
    )
    assert repr(visitor) == "Visitor(ip=…, user_agent=…, fbp=…, url=…, campaign=Campaign(source='fb'))"


def test_a_visitor_is_a_value():
    visitor = seen(query={"fbp": FBP}, consent={"ad_user_data": "denied"})
    assert pickle.loads(pickle.dumps(visitor)) == visitor
    assert hash(visitor) == hash(pickle.loads(pickle.dumps(visitor)))
    with pytest.raises(AttributeError):
        visitor.fbp = FBP

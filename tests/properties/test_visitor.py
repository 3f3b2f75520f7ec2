"""Reading any request is safe."""

import unicodedata
from datetime import UTC, datetime
from ipaddress import ip_address

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outbox.client_ip import parse_ip
from outbox.page_url import clean_url
from outbox.visitor import Visitor

DOCUMENTED = {
    *("ip", "user_agent", "fbp", "fbc", "fbclid", "fbclid_at", "ga_client_id", "ga_session_id", "url", "referrer")
}
HEADERS = ("User-Agent", "Referer", "Host", "Cookie", "X-Forwarded-For", "CF-Connecting-IP")
COOKIES = ("_fbp", "_fbc", "_ga", "_ga_XLHMXGR17M", "_ga_B", "handlID", "utm_source", "fbclid", "ad_user_data")
PARAMETERS = (
    *("fbp", "fbc", "fbclid", "fb_event_id", "fb_source", "fb_loc", "utm_source", "utm_term", "handl_id", "referrer"),
    *("ga_client_id", "ga_session_id", "ad_user_data", "ad_personalization"),
)

# No deadline, because a busy machine is slow; the unit tests measure megabytes.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Any text, including lone surrogates and control characters, and nearly valid text.
wild = st.text(st.characters(exclude_categories=()), max_size=40)
likely = st.from_regex(
    r"(fb\.[0-9]\.[0-9]{1,13}\.[A-Za-z0-9_-]{1,20}(\.AQQAAQEA)?|GA1\.[0-9]\.[0-9]{1,9}\.[0-9]{1,9}"
    r"|GS2\.1\.s[0-9]{1,10}\$o1|GS1\.1\.[0-9]{1,10}\.1|https?://[a-z]{1,9}\.example/[ -~]{0,30}\?[ -~]{0,40}"
    r"|[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(:[0-9]+)?|\[?::1\]?|granted|denied|undefined)",
    fullmatch=True,
)
texts = st.one_of(wild, likely, st.builds("{}{}".format, likely, wild))
anything = st.one_of(
    texts, st.none(), st.booleans(), st.integers(), st.floats(), st.binary(), st.lists(texts, max_size=3)
)
moments = st.one_of(st.none(), st.datetimes(), st.datetimes(timezones=st.timezones()))
pairs = st.builds(
    "; ".join, st.lists(st.builds("{}={}".format, st.one_of(st.sampled_from(COOKIES), wild), texts), max_size=5)
)
query_strings = st.builds(
    "&".join, st.lists(st.builds("{}={}".format, st.one_of(st.sampled_from(PARAMETERS), wild), texts), max_size=5)
)
requests = st.fixed_dictionaries(
    {"headers": st.dictionaries(st.sampled_from(HEADERS), st.one_of(pairs, anything), max_size=4)},
    optional={
        "cookies": st.one_of(anything, pairs, st.dictionaries(st.one_of(st.sampled_from(COOKIES), wild), anything)),
        "query": st.one_of(anything, query_strings, st.dictionaries(st.sampled_from(PARAMETERS), anything, max_size=4)),
        "form": st.one_of(anything, query_strings, st.dictionaries(st.sampled_from(PARAMETERS), anything, max_size=4)),
        "remote": anything,
        "url": anything,
        "trusted_proxies": st.one_of(texts, st.lists(texts, max_size=3), st.just(["0.0.0.0/0"])),
        "ga_stream": st.one_of(anything, st.just("G-XLHMXGR17M")),
        "consent": st.one_of(anything, st.dictionaries(st.sampled_from(PARAMETERS[-2:]), anything)),
        "now": st.one_of(moments, anything),
    },
)
addresses = st.ip_addresses().filter(lambda address: not (address.is_unspecified or address.is_multicast))
public = addresses.filter(lambda address: not address.is_private and not getattr(address, "ipv4_mapped", None))


def values_of(visitor):
    campaign = visitor.campaign.to_json() if visitor.campaign else {}
    own = [value for value in (visitor.event_id, visitor.handl_id) if value is not None]
    return [*visitor.to_json().values(), *campaign.values(), *(visitor.consent or {}).values(), *own, *visitor.notes]


@unhurried
@given(requests)
def test_no_request_raises_and_whatever_is_read_can_be_stored_and_sent(request):
    visitor = Visitor.from_request(**request)
    assert visitor.to_json().keys() <= DOCUMENTED
    for value in values_of(visitor):
        assert value.encode("utf-8")
        assert len(value) <= 1_000
        assert not any(unicodedata.category(char) in {"Cc", "Cs"} for char in value)
    if visitor.ip is not None:
        assert str(ip_address(visitor.ip)) == visitor.ip
    assert visitor.consent is None or set(visitor.consent.values()) <= {"granted", "denied"}
    assert repr(visitor).startswith("Visitor(")


@unhurried
@given(requests)
def test_a_visitor_made_from_its_own_values_is_the_same(request):
    visitor = Visitor.from_request(**request)
    values = visitor.to_json()
    if "fbclid_at" in values:
        values["fbclid_at"] = datetime.fromisoformat(values["fbclid_at"])
    again = Visitor(**values)
    assert again.to_json() == visitor.to_json()
    assert again.notes == ()


@unhurried
@given(requests, st.dictionaries(st.sampled_from(["fbp", "fbc", "fbclid"]), anything))
def test_what_is_left_out_is_not_quoted(request, values):
    marked = {name: f"§{value}" for name, value in values.items()}  # no identifier contains this character
    notes = Visitor.from_request(**{**request, "query": marked}).notes
    assert "§" not in "".join(notes)


@unhurried
@given(public, st.lists(st.one_of(addresses.map(str), texts)), texts)
def test_a_spoofed_header_from_an_untrusted_address_never_wins(remote, forwarded, other):
    headers = {"X-Forwarded-For": ", ".join(forwarded), "CF-Connecting-IP": other}
    assert Visitor.from_request(headers=headers, remote=str(remote)).ip == parse_ip(str(remote))


@unhurried
@given(st.lists(st.one_of(addresses.map(str), texts), max_size=5), public)
def test_what_stands_left_of_the_visitors_own_address_never_wins(claimed, address):
    headers = {"X-Forwarded-For": ", ".join([*claimed, str(address), "10.0.0.1"])}
    if parse_ip(str(address)):
        assert Visitor.from_request(headers=headers, remote="127.0.0.1").ip == str(address)


@unhurried
@given(st.from_regex(r"[!-\-/-~]{1,300}", fullmatch=True), st.datetimes(timezones=st.just(UTC)))
def test_a_click_id_is_never_altered(fbclid, now):
    visitor = Visitor.from_request(headers={}, query={"fbclid": fbclid}, now=now)
    assert visitor.fbclid in (fbclid, None)
    assert visitor.fbclid == fbclid or visitor.notes


@unhurried
@given(st.one_of(texts, st.builds("https://x.example/{}?{}".format, texts, query_strings)))
def test_cleaning_an_address_twice_changes_nothing_more(url):
    cleaned = clean_url(url)
    assert cleaned is None or clean_url(cleaned) == cleaned
    assert "john@example.com" not in (clean_url(f"https://x.example/?a={url}&b=john@example.com") or "")

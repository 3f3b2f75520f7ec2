"""The parts of a page's URL that may be sent to destinations."""

import pytest

from outbox.page_url import MAX_URL, clean_url, query_of

SITE = "https://own-it.encycam.com"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        (f"{SITE}/form?product=ency-cam&lang=en", f"{SITE}/form?product=ency-cam&lang=en"),
        ("HTTPS://Own-It.ENCYCAM.com/Form", f"{SITE}/Form"),
        (f"{SITE}/form#access_token=abc", f"{SITE}/form"),
        ("https://john:geheim@own-it.encycam.com/form", f"{SITE}/form"),
        ("http://localhost:8080/form", "http://localhost:8080/form"),
        ("http://[2001:db8::1]:8080/form", "http://[2001:db8::1]:8080/form"),
        ("https://münchen.example/über?q=größe", "https://xn--mnchen-3ya.example/%C3%BCber?q=gr%C3%B6%C3%9Fe"),
        (f"{SITE}/form?a=1&&b=2&", f"{SITE}/form?a=1&b=2"),
        (f"{SITE}/form?", f"{SITE}/form"),
        (f"{SITE}/fo\x00rm\n?a=\t1\ud800", f"{SITE}/form?a=1"),
        (f"{SITE}/reset/{JWT}/x", f"{SITE}/reset/-/x"),
        (f"{SITE}/unsubscribe/john%40example.com", f"{SITE}/unsubscribe/-"),
        (f"{SITE}/form;jsessionid=0A1B;view=full", f"{SITE}/form;view=full"),
        (SITE, SITE),
    ],
)
def test_a_page_keeps_its_address_and_loses_credentials_and_fragment(url, cleaned):
    assert clean_url(url) == cleaned


@pytest.mark.parametrize(
    "parameter",
    [
        "fbclid=IwAR2F4-dbP0l7Mn1IawQQGCINEz7PYXQvwjNwB_qa2ofrHyiLjcbCRxTDMgk",
        "gclid=Cj0KCQjw4cOEBhDMARIsAA3XDRhJ4cOEBhDMARIsAA3XDRh",
        "utm_source=facebook",
        "utm_id=120210000000000123",
        "utm_content=reset-password",
        "fb_event_id=35009a79-1a05-49d7-b876-2b884d0f825b",
        "fbp=fb.1.1596403881668.1116446470",
        "fb_loc=hero",
        "product=ency-cam",
        "keyword=cad",
        "monkey=1",
        "page=2",
        "year=2026",
        "plan=25",
        "q=milling+5+axis",
        "id=123456",
        "next=%2Fdownload%3Fversion%3D2",
        "view",
    ],
)
def test_parameters_of_advertising_and_of_the_page_stay_as_they_are(parameter):
    assert clean_url(f"{SITE}/form?{parameter}&last=1") == f"{SITE}/form?{parameter}&last=1"


@pytest.mark.parametrize(
    "parameter",
    [
        "token=abc",
        "access_token=abc",
        "csrfToken=abc",
        "PASSWORD=abc",
        "user_pwd=abc",
        "client_secret=abc",
        "key=abc",
        "apiKey=abc",
        "api-key=abc",
        "auth=abc",
        "oauth_verifier=abc",
        "code=abc",
        "state=abc",
        "session=abc",
        "sessionId=abc",
        "PHPSESSID=abc",
        "email=abc",
        "e-mail=abc",
        "user%5Bemail%5D=abc",
        "%65mail=abc",
        "phone=abc",
        "mobile_number=abc",
        "tel=abc",
        "name=abc",
        "firstName=abc",
        "last_name=abc",
        "lastname=abc",
        "birthday=abc",
        "zip=abc",
        "sig=abc",
        "x=john%40example.com",
        "x=john@example.com",
        "x=mailto:john%2540example.com",
        "john@example.com",
        "utm_content=john@example.com",
        "fb_loc=john%40example.com",
        "x=%2B49+30+901820",
        "x=+49 30 901820",
        "x=(650)555-1212",
        "x=004930901820",
        f"x={JWT}",
        f"utm_content={JWT}",
        "x=62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f",
        "x=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4MTIz",
        "next=%2Freset%3Ftoken%3Dabc",
        "next=https%3A%2F%2Fx.example%2F%3Fa%3D1%26email%3Dabc",
        "a=1;token=abc",
        "n" * 101 + "=1",
    ],
)
def test_parameters_with_a_secret_or_personal_data_are_left_out(parameter):
    assert clean_url(f"{SITE}/form?first=1&{parameter}&last=1") == f"{SITE}/form?first=1&last=1"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/form?a=1",
        "//own-it.encycam.com/form",
        "about:blank",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "android-app://com.facebook.katana",
        "https://",
        "https://:80/",
        "https://own-it.encycam.com:99999/",
        "https://own-it.encycam.com:x/",
        "https://[::1/",
        "https://[x]/",
        "https://a b/",
        "https://<script>/",
        f"https://{'ü' * 300}/",
        f"https://{'a' * 300}/",
    ],
)
def test_what_is_no_page_of_the_web_is_nothing(url):
    assert clean_url(url) is None


def test_of_a_long_address_the_parameters_stay_that_fit():
    url = f"{SITE}/form?a={'x' * 2_000}&utm_source=facebook&b={'y' * 500}&c={'z' * 500}&d=1"
    assert clean_url(url) == f"{SITE}/form?utm_source=facebook&b={'y' * 500}&d=1"
    assert clean_url(f"{SITE}/{'p' * 2_000}?a=1") == f"{SITE}/?a=1"


@pytest.mark.parametrize("tail", ["&a=1" * 100_000, "x" * 10_000_000, "a@" * 1_000_000, "%40" * 1_000_000])
def test_no_address_is_too_long(tail):
    assert len(clean_url(f"{SITE}/form?{tail}")) <= MAX_URL


@pytest.mark.parametrize(
    ("url", "host", "query"),
    [
        ("https://crm.example/form?a=1#b", "crm.example", "a=1"),
        ("https://crm.example:8443/form?a=1", "CRM.example", "a=1"),
        ("https://crm.example/form?a=1", "crm.example:8080", "a=1"),
        ("https://other.example/form?a=1", "crm.example", ""),
        ("https://other.example/form?a=1", None, "a=1"),
        ("https://crm.example/form?a=1", "", ""),
        ("https://crm.example/form?a=1", "[", ""),
        ("form?a=1", None, ""),
    ],
)
def test_parameters_are_taken_only_from_a_page_of_the_same_host(url, host, query):
    assert query_of(url, host=host) == query

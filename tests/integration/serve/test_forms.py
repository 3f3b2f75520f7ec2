"""Forms over real HTTP: what is recorded for each kind, and the response."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from yarl import URL

from dispatcher.config import Config, Serve
from tests.support.form_site import EVIL, LEAD, OURS, multipart, serving

BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)", "Referer": f"{OURS}/contact?fbclid=IwAR0abc"}

# What is recorded


@pytest.mark.parametrize("kind", ["urlencoded", "multipart", "json"])
async def test_a_form_becomes_a_sealed_conversion(site, log, kind):
    fields = LEAD | {
        "fb_event_id": f"e-{kind}",
        "handlID": "H1",
        "utm_source": "facebook",
        "company": "Analytical",
        "note": "x",
    }
    sent = {"urlencoded": {"data": fields}, "multipart": {"data": multipart(*fields.items())}, "json": {"json": fields}}
    status, _, answer = await site.post("plain", headers=BROWSER, **sent[kind])
    assert (status, answer) == ((200, {"event_id": f"e-{kind}"}) if kind == "json" else (204, None))
    ((name, event_id, handl_id, sealed, visitor, campaign, details),) = log.events(
        "name", "event_id", "handl_id", "sealed", "visitor", "campaign", "details"
    )
    assert (name, event_id, handl_id) == ("lead_submitted", f"e-{kind}", "H1")
    assert set(sealed["meta"]) == {"em", "fn", "ph"}
    assert details == {"form": "plain", "company": "Analytical"}
    assert campaign == {"source": "facebook"}
    assert visitor["user_agent"] == BROWSER["User-Agent"]
    assert visitor["url"] == BROWSER["Referer"]
    assert log.connection.execute("SELECT count(*) FROM outbox.raw").fetchone() == (0,)


@pytest.mark.parametrize(
    ("form", "step", "details"),
    [
        ("lead-form-ds25", "lead_submitted", {}),
        ("conference", "demo_requested", {"content_category": "conference"}),
        ("demo", "demo_requested", {"content_category": "demo"}),
        ("dealer", "demo_requested", {"content_category": "dealer"}),
        ("quote", "demo_requested", {"content_category": "quote"}),
        ("trial-download", "trial_downloaded", {}),
    ],
)
async def test_the_owner_s_forms_record_their_steps(site, log, form, step, details):
    assert (await site.post(form, data={"product": "ency-cam", "fb_event_id": "e"}))[0] == 204
    assert log.events("name", "details") == [(step, {"form": form, "product": "ency-cam", **details})]


async def test_a_form_s_own_names_values_and_defaults(site, log):
    sent = {"work-mail": "ada@example.com", "who": "Ada King of Lovelace", "crm": "17", "company": "Secret Ltd"}
    status, _, _ = await site.post("strict", data=[*sent.items(), ("machines", "mill"), ("machines", "lathe")])
    assert status == 204
    ((lead_id, sealed, details, consent),) = log.events("lead_id", "sealed", "details", "consent")
    assert lead_id == "17"
    assert set(sealed["meta"]) == {"em", "fn", "ln"}
    assert details == {
        "form": "strict", "content_category": "webinar", "product": "pro", "value": 25, "currency": "EUR",
        "series": "spring", "machines": "mill, lathe",
    }  # fmt: skip
    assert consent == {"ad_user_data": "denied", "ad_personalization": "denied"}


@pytest.mark.parametrize(("worth", "value"), [("99.5", 99.5), ("99,50", 99.5), ("", 25)])
async def test_a_stated_value_counts_before_the_form_s_own(site, log, worth, value):
    await site.post("strict", data={"work-mail": "a@example.com", "who": "Ada", "worth": worth})
    assert log.events("details")[0]["value"] == value


@pytest.mark.parametrize("worth", ["a lot", "inf", "1,490"])
async def test_a_value_that_cannot_be_read_is_noted_and_not_replaced_by_the_form_s_own(site, log, worth):
    await site.post("strict", data={"work-mail": "a@example.com", "who": "Ada", "worth": worth})
    ((details, notes),) = log.events("details", "notes")
    assert details["value"] == worth
    assert "details.value: unusable value, left out" in notes


@pytest.mark.parametrize(
    ("ticked", "state"), [("on", "granted"), ("yes", "granted"), ("off", "denied"), ("?", "denied")]
)
async def test_a_form_s_own_checkbox_is_the_consent(site, log, ticked, state):
    await site.post("strict", data={"work-mail": "a@example.com", "who": "Ada", "may-advertise": ticked})
    assert log.events("consent") == [{"ad_user_data": state, "ad_personalization": state}]


async def test_keys_and_values_are_accepted_only_if_the_form_s_configuration_allows_it(site, log):
    sent = {"account_id": "1", "lead_id": "2", "value": "9999", "currency": "USD", "order_id": "3"}
    await site.post("plain", data=LEAD | sent)
    assert log.events("account_id", "lead_id", "details") == [(None, None, {"form": "plain"})]


async def test_browser_data_comes_from_cookies_headers_and_the_address(site, log):
    cookies = "_fbp=fb.1.1700000000000.123; _ga=GA1.1.111.222; _ga_XLHMXGR17M=GS2.1.s1748934661$o1$g0$t1748934661"
    headers = BROWSER | {"Cookie": cookies, "X-Forwarded-For": "203.0.113.9, 10.0.0.1"}
    await site.post("plain?utm_medium=cpc", data={"fb_event_id": "e"}, headers=headers)
    ((visitor, campaign),) = log.events("visitor", "campaign")
    expected = {
        "ip": "203.0.113.9",
        "fbp": "fb.1.1700000000000.123",
        "ga_client_id": "111.222",
        "ga_session_id": "1748934661",
    }
    assert visitor | expected == visitor
    assert campaign == {"medium": "cpc"}


async def test_page_url_gives_the_page_that_the_referer_hides(site, log):
    page = f"{OURS}/landing?utm_source=google&fbclid=IwAR1"
    await site.post("plain", json=LEAD | {"page_url": page}, headers={"Referer": f"{OURS}/"})
    ((visitor, campaign),) = log.events("visitor", "campaign")
    assert (visitor["url"], visitor["fbclid"], campaign) == (page, "IwAR1", {"source": "google"})


async def test_a_forwarding_header_from_an_untrusted_peer_is_ignored(shared_database_url, log):
    nobody = Config(serve=Serve(trusted_proxies=()))
    async with serving(shared_database_url, nobody) as site:
        await site.post("demo", data=LEAD, headers={"X-Forwarded-For": "203.0.113.9"})
    assert "ip" not in log.events("visitor")[0]  # nor is this machine's own address a visitor's


async def test_a_national_number_belongs_to_the_configured_region(site, log):
    await site.post("plain", data={"phone": "96 123 456"})
    assert set(log.events("sealed")[0]["meta"]) == {"ph"}


# The response


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}, 303),
        ({"Sec-Fetch-Mode": "cors"}, 200),
        ({"Accept": "application/json"}, 200),
    ],
)
async def test_a_browser_is_redirected_and_a_script_gets_the_address(site, headers, status):
    answered, sent, answer = await site.post("thanks", data=LEAD | {"fb_event_id": "e"}, headers=headers)
    assert answered == status
    if status == 303:
        assert sent["Location"] == f"{OURS}/thanks"
    else:
        assert answer == {"event_id": "e", "redirect": f"{OURS}/thanks"}


@pytest.mark.parametrize(
    ("asked", "follows"),
    [
        (f"{OURS}/other?x=1#y", f"{OURS}/other?x=1#y"),
        ("https://landing.example.com:8443/ok", "https://landing.example.com:8443/ok"),
        (f"{OURS}/ümlaut", f"{OURS}/%C3%BCmlaut"),
        ("/same-host", "/same-host"),
        *[
            (asked, f"{OURS}/thanks")
            for asked in (
                EVIL, "//evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "https:///evil.example",
                "http://www.example.com/", f"{OURS}.evil.example", f"{OURS}@evil.example", f"{OURS}\\@evil.example",
                f"{OURS}:444/", "https://landing.example.com/", "javascript:alert(1)", "data:text/html,x", "ftp://www.example.com",
                f"{OURS}/\r\nX-Evil: 1", "\t//evil.example", f" {EVIL}", "/\t/evil.example", "https://[::1", "x", f"{OURS}/" + "x" * 3000,
                "https://user:pw@www.example.com/", "https://www.example.com%2eevil.example/",
            )
        ],
    ],
)  # fmt: skip
async def test_redirects_lead_only_to_allowed_pages(site, asked, follows):
    status, headers, _ = await site.post("thanks", data=LEAD | {"redirect": asked})
    assert (status, headers["Location"]) == (303, follows)
    assert "X-Evil" not in headers


async def test_a_form_without_a_redirect_of_its_own_ignores_a_foreign_one(site):
    status, headers, _ = await site.post("plain", data=LEAD | {"redirect": EVIL})
    assert (status, "Location" in headers) == (204, False)


async def test_a_filled_honeypot_gets_a_normal_response_and_records_nothing(site, log):
    status, _, answer = await site.post("plain", json=LEAD | {"_gotcha": "http://spam.example"})
    assert status == 200
    assert uuid.UUID(answer["event_id"])
    status, headers, _ = await site.post("thanks", data=LEAD | {"_gotcha": "x"})
    assert (status, headers["Location"]) == (303, f"{OURS}/thanks")
    assert (await site.post("strict", data={"fax": "x"}))[0] == 204  # whatever else is missing
    assert log.events() == []


async def test_missing_required_fields_are_named(site, log):
    status, _, answer = await site.post("strict", data={"work-mail": "pa55 word", "who": " "})
    assert (status, answer["fields"]) == (422, {"work-mail": "not an e-mail address", "who": "missing"})
    assert "pa55" not in str(answer)
    assert log.events() == []


async def test_an_invalid_optional_value_is_left_out_and_noted(site, log):
    assert (await site.post("plain", data={"email": "no address", "phone": "1"}))[0] == 204
    ((sealed, notes),) = log.events("sealed", "notes")
    assert sealed["meta"] == {}
    assert {note.partition(":")[0] for note in notes} >= {"person.email", "person.phone"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/forms/nope", 404),
        ("OPTIONS", "/forms/nope", 404),
        ("POST", "/forms/plain/", 404),
        ("GET", "/nothing", 404),
        ("GET", "/forms/plain", 405),
        ("PUT", "/forms/plain", 405),
        ("GET", "/", 200),
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
    ],
)
async def test_existing_and_missing_routes(site, method, path, status):
    async with site.http.request(method, path) as answer:
        assert answer.status == status
        if status >= 400:
            assert set(await answer.json()) == {"error"}
        if status == 405:
            assert answer.headers["Allow"] == "OPTIONS,POST"


async def test_a_connection_is_kept_alive(site):
    url = URL(site.address)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    for _ in range(3):
        writer.write(
            b"POST /forms/plain HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert head.startswith(b"HTTP/1.1 200")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
    writer.close()

"""The browser snippet in a real browser, on pages with a strict policy, in front of a server that reads the visitor."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

import pytest
import pytest_asyncio
from aiohttp import web

import outbox
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SNIPPET = files("outbox") / "browser" / "outbox.js"
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'"
VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => console.error(`violation: ${event.violatedDirective}`));
"""

EVENT_ID = "35009a79-1a05-49d7-b876-2b884d0f825b"
FBCLID = "IwAR2F4-dbP0l7Mn1"
FBP = "fb.1.1596403881668.1116446470.AQQAAQEA"
FBC = f"fb.1.1554763741205.{FBCLID}.AQQAAQEA"
COOKIES = {
    "_fbp": FBP,
    "_fbc": FBC,
    "_ga": "GA1.1.286403989.1366364567",
    "_ga_XLHMXGR17M": "GS2.1.s1748934661$o208$g1$t1748935291$j60$l0$h0",
    "handlID": "1432",
}
UTM = {"utm_source": "fb", "utm_medium": "cpc", "utm_campaign": "Frühling & more", "utm_content": "a", "utm_term": "b"}
IDENTIFIERS = {"fbp", "fbc", "fbclid", "handlID", "ga_client_id", "ga_session_id"}

LINK = '<a href="/to?keep=a%20b#part" data-fb-loc="hero"><b>Start</b></a>'
FORM = '<form method="post" action="/to"><input name="email" value="ada@example.com"><button>Send</button></form>'


@dataclass
class Arrival:
    """A request that a page's form, link or script made."""

    method: str
    host: str
    address: str
    query: dict[str, str]
    fields: dict[str, str]
    visitor: outbox.Visitor

    @property
    def sent(self):
        """Parameters and fields."""
        return self.query | self.fields


@dataclass
class Site:
    """Pages under any loopback host name, and what arrived at `/to` and `/stay` (after which the page stays)."""

    port: int = 0
    pages: dict[str, str] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)

    def address(self, path="/", host="landing.localhost", **query):
        return f"http://{host}:{self.port}{path}" + (f"?{urlencode(query)}" if query else "")

    def page(self, path, body, options="", scripts=()):
        """Add a page with the snippet."""
        more = "".join(f'<script src="{script}" defer></script>' for script in scripts)
        self.pages[path] = (
            f'<!doctype html><link rel="icon" href="data:,"><script src="/outbox.js" defer {options}></script>{more}{body}'
        )

    async def arrived(self, count=1):
        await until(lambda: len(self.arrivals) >= count)
        assert len(self.arrivals) == count
        return self.arrivals[-1]

    async def answer(self, request):
        if request.path == "/outbox.js":
            return web.Response(text=SNIPPET.read_text(), content_type="text/javascript")
        if request.path in self.scripts:
            return web.Response(text=self.scripts[request.path], content_type="text/javascript")
        if request.path in self.pages:
            policy = f"{POLICY}; img-src data:"
            html = self.pages[request.path]
            return web.Response(text=html, content_type="text/html", headers={"Content-Security-Policy": policy})
        if request.path not in {"/to", "/stay"}:
            return web.Response(status=204)  # the browser asks for an icon by itself
        form = await request.post()
        visitor = outbox.visitor_from_aiohttp(request, form=form)
        fields = dict(form)
        self.arrivals.append(
            Arrival(request.method, request.host.split(":")[0], request.path_qs, dict(request.query), fields, visitor)
        )
        return web.Response(status=204 if request.path == "/stay" else 200, text="")


@pytest_asyncio.fixture(loop_scope="module")
async def site():
    site = Site()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", site.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0)
    await server.start()
    site.port = server._server.sockets[0].getsockname()[1]
    yield site
    await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="module")
async def page(shared_browser):
    """A page that must cause no errors and no violations of its policy."""
    context = await shared_browser.new_context()
    problems = []
    context.on("console", lambda message: problems.append(message.text))
    context.on("weberror", lambda error: problems.append(str(error.error)))
    await context.add_init_script(VIOLATIONS)
    yield await context.new_page()
    assert problems == []
    await context.close()


async def give_cookies(page, site, cookies, host="landing.localhost"):
    await page.context.add_cookies(
        [{"name": name, "value": value, "url": site.address(host=host)} for name, value in cookies.items()]
    )


@asynccontextmanager
async def other_tab(page):
    """Wait until the block has opened another tab and the tab has finished loading."""
    async with page.context.expect_page() as opened:
        yield
    await (await opened.value).wait_for_load_state()


def is_uuid4(text):
    return UUID(text).version == 4 and str(UUID(text)) == text


# What is forwarded


@pytest.mark.parametrize(
    "body", [LINK, FORM, FORM.replace('"post"', '"get" data-fb-loc="hero"')], ids=["a", "post", "get"]
)
async def test_everything_that_the_landing_page_knows_is_forwarded(site, page, body):
    site.page("/", body)
    await give_cookies(page, site, COOKIES)
    await page.goto(site.address(**UTM, fbclid=FBCLID), referer="https://l.facebook.com/l.php?u=secret")
    await page.click("b, button")
    arrival = await site.arrived()
    sent = dict(arrival.sent)
    assert is_uuid4(sent.pop("fb_event_id"))
    for own in ("keep", "email", "fb_loc"):
        sent.pop(own, None)
    assert sent == {
        **UTM,
        "fbclid": FBCLID,
        "fbc": FBC,
        "fbp": FBP,
        "handlID": "1432",
        "ga_client_id": "286403989.1366364567",
        "ga_session_id": "1748934661",
        "fb_source": "landing.localhost",
        "document_referrer": "https://l.facebook.com/l.php",
    }


async def test_the_server_reads_everything_that_is_forwarded(site, page):
    site.page("/", f'<a href="{site.address("/form", "crm.localhost")}" data-fb-loc="hero">Start</a>',
              'data-hosts="crm.localhost" data-fb-source="own-it"')  # fmt: skip
    site.page("/form", FORM)
    await give_cookies(page, site, COOKIES)
    await page.goto(site.address(**UTM, fbclid=FBCLID), referer="https://l.facebook.com/")
    await page.click("a")
    await page.wait_for_url("**/form?**")
    shared = dict(parse_qsl(urlsplit(page.url).query))["fb_event_id"]
    await page.click("button")
    visitor = (await site.arrived()).visitor
    assert visitor.event_id == shared
    assert (visitor.fbp, visitor.fbc, visitor.handl_id) == (FBP, FBC, "1432")
    assert (visitor.ga_client_id, visitor.ga_session_id) == ("286403989.1366364567", "1748934661")
    assert visitor.campaign == outbox.Campaign(
        **{name.removeprefix("utm_"): value for name, value in UTM.items()}, fb_source="own-it", fb_loc="hero"
    )
    assert visitor.referrer == "https://l.facebook.com/"
    assert visitor.notes == ("ip: only addresses of trusted proxies were found, left out",)


async def test_if_nothing_is_known_only_the_event_id_and_its_place_are_forwarded(site, page):
    site.page("/", LINK)
    await page.goto(site.address())
    await page.click("a")
    arrival = await site.arrived()
    assert arrival.query.keys() == {"keep", "fb_event_id", "fb_source", "fb_loc"}
    assert re.match(r"/to\?keep=a%20b&fb_event_id=[0-9a-f-]{36}&", arrival.address)


@pytest.mark.parametrize(
    ("cookies", "options", "expected"),
    [
        ({"_fbp": "fb.1.1.2"}, "", {"fbp": "fb.1.1.2"}),
        ({"_fbc": FBC}, "", {"fbc": FBC}),
        ({"handlID": "a=b"}, "", {"handlID": "a=b"}),
        ({"_ga": "GA1.2-2.1.2"}, "", {"ga_client_id": "1.2"}),
        ({"_ga": "GA1.1.amp-AbCdEfGhIj"}, "", {"ga_client_id": "amp-AbCdEfGhIj"}),
        ({"_ga_A": "GS1.1.1700000001.3.1.1700000002.0.0.0"}, "", {"ga_session_id": "1700000001"}),
        ({"_ga_A": "GS2.1.o208$g1$s1700000003$t9"}, "", {"ga_session_id": "1700000003"}),
        ({"_ga_A": "GS1.1.1.1", "_ga_B": "GS2.1.s2$o1"}, "", {}),
        ({"_ga_A": "GS1.1.1.1", "_ga_B": "GS2.1.s2$o1"}, 'data-ga-stream="G-B"', {"ga_session_id": "2"}),
        ({"_ga_A": "junk"}, "", {}),
    ],
)
async def test_cookies_are_read_in_all_their_formats(site, page, cookies, options, expected):
    site.page("/", FORM, options)
    await give_cookies(page, site, cookies)
    await page.goto(site.address())
    await page.click("button")
    sent = (await site.arrived()).fields
    assert {name: sent[name] for name in sent.keys() & IDENTIFIERS} == expected


async def test_a_newer_click_is_not_hidden_by_the_cookie_of_an_older(site, page):
    site.page("/", FORM)
    await give_cookies(page, site, {"_fbc": FBC})
    await page.goto(site.address(fbclid="IwAR-newer"))
    loaded = await page.evaluate("performance.timeOrigin")
    await page.click("button")
    sent = (await site.arrived()).fields
    assert sent["fbclid"] == "IwAR-newer"
    assert re.fullmatch(r"fb\.1\.\d{13}\.IwAR-newer", sent["fbc"])
    assert abs(int(sent["fbc"].split(".")[2]) - loaded) < 10_000


async def test_what_was_forwarded_to_this_page_wins_over_its_own_cookies(site, page):
    site.page("/", FORM)
    forwarded = {"fbp": "fb.1.1.1", "fbc": f"fb.1.1.{FBCLID}", "handlID": "7", "fb_source": "own-it", "fb_loc": "hero"}
    await give_cookies(page, site, COOKIES)
    await page.goto(site.address(**forwarded, fbclid=FBCLID, ga_client_id="9.9"))
    await page.click("button")
    sent = (await site.arrived()).fields
    assert forwarded.items() <= sent.items()
    assert sent["ga_client_id"] == "286403989.1366364567"  # of this one the cookie comes first, as on the server


# To whom


HOSTS = 'data-hosts="crm.localhost, partner.localhost"'


@pytest.mark.parametrize(
    ("host", "options", "is_forwarded"),
    [
        ("landing.localhost", "", True),
        ("crm.localhost", "", False),
        ("crm.localhost", HOSTS, True),
        ("eu.partner.localhost", HOSTS, True),
        ("notcrm.localhost", HOSTS, False),
        ("localhost", HOSTS, False),
    ],
)
async def test_identifiers_are_forwarded_only_to_the_own_host_and_listed_ones(site, page, host, options, is_forwarded):
    to = site.address("/stay", host)
    site.page(
        "/",
        f'<a href="{to}" data-fb-loc="x">Link</a><form method="post" action="{to}"><button>Form</button></form>'
        f'<form method="post" action="/stay"><button formaction="{to}">Button</button></form>',
        options,
    )
    await page.goto(site.address(utm_source="fb"))
    for count, kind in enumerate(("Link", "Form", "Button"), 1):
        await page.click(f"text={kind}")
        arrival = await site.arrived(count)
        assert arrival.host == host
        assert ("fb_event_id" in arrival.sent, arrival.sent.get("utm_source") == "fb") == (
            is_forwarded,
            is_forwarded,
        ), kind


async def test_nothing_goes_from_https_to_http(page):
    requests = []

    async def answer(route):
        requests.append(route.request.url)
        if route.request.url.endswith("/outbox.js"):
            await route.fulfill(body=SNIPPET.read_text(), content_type="text/javascript")
        else:
            body = (
                '<link rel="icon" href="data:,"><script src="/outbox.js"></script><a data-fb-loc="x" href="{}">Go</a>'
            )
            to = "http://landing.test/to" if route.request.url.endswith("/unsafe") else "https://landing.test/to"
            await route.fulfill(body=body.format(to), content_type="text/html")

    await page.context.route("**/*", answer)
    for path in ("unsafe", "safe"):
        await page.goto(f"https://landing.test/{path}")
        await page.click("a")
        await page.wait_for_url("**/to*")
    assert "http://landing.test/to" in requests
    assert any(url.startswith("https://landing.test/to?fb_event_id=") for url in requests)


@pytest.mark.parametrize(
    "body",
    [
        '<a href="/to">Not marked</a>',
        '<form action="/to"><input name="q"><button>Search</button></form>',
        '<section data-fb-loc="x"><a href="/to">Not marked itself</a></section>',
        '<form method="post" action="/to"><a href="/to">Inside a form</a></form>',
    ],
)
async def test_unmarked_links_and_searches_are_not_changed(site, page, body):
    site.page("/", body)
    await page.goto(site.address(utm_source="fb"))
    await page.click("a, button")
    assert (await site.arrived()).sent.keys() <= {"q"}


async def test_the_site_may_choose_its_links_and_forms(site, page):
    site.page(
        "/", f'<section data-fb-loc="final"><a href="/to">Go</a></section>{FORM}', "data-select=\"a[href='/to']\""
    )
    await page.goto(site.address(fb_loc="hero"))
    await page.click("a")
    assert (await site.arrived()).query["fb_loc"] == "final"
    await page.goto(site.address())
    await page.click("button")
    assert (await site.arrived(2)).fields.keys() == {"email"}


# What the page has already


async def test_fields_that_the_page_has_are_not_overwritten_and_empty_hidden_ones_are_filled(site, page):
    site.page(
        "/",
        '<form method="post" action="/to?handlID=of-the-action">'
        f'<input type="hidden" name="fb_event_id" value="{EVENT_ID}"><input type="hidden" name="fbp" value="">'
        '<input name="fb_loc" value=""><input type="hidden" name="fbc"><input type="hidden" name="fbc">'
        "<button>Send</button></form>",
    )
    await give_cookies(page, site, COOKIES)
    await page.goto(site.address(fb_event_id="of-the-page", fb_loc="hero"))
    await page.click("button")
    arrival = await site.arrived()
    assert arrival.fields["fb_event_id"] == EVENT_ID
    assert (arrival.fields["fbp"], arrival.fields["fb_loc"], arrival.fields["fbc"]) == (FBP, "", "")
    assert "handlID" not in arrival.fields
    assert arrival.visitor.handl_id == "of-the-action"
    assert await page.evaluate("document.querySelectorAll('input').length") == 0  # the answer's page


async def test_the_page_itself_is_not_changed(site, page):
    site.page("/", LINK.replace("<a", '<a target="_blank"') + FORM.replace("/to", "/stay"))
    await page.goto(site.address(utm_source="fb"))
    before = await page.content()
    async with other_tab(page):
        await page.click("a")
    await page.click("button")
    await site.arrived(2)
    assert await page.content() == before


@pytest.mark.parametrize(
    "body",
    [
        '<a href="/to?utm_source=newsletter&fbp=fb.1.1.1" data-fb-loc="x">Go</a>',
        FORM.replace(
            "<button",
            '<input type="hidden" name="utm_source" value="newsletter">'
            '<input type="hidden" name="fbp" value="fb.1.1.1"><button',
        ),
    ],
)
async def test_the_campaign_of_a_link_or_form_is_not_mixed_with_the_visitors(site, page, body):
    site.page("/", body)
    await give_cookies(page, site, COOKIES)
    await page.goto(site.address(utm_medium="cpc", utm_campaign="spring"))
    await page.click("a, button")
    arrival = await site.arrived()
    assert {name: value for name, value in arrival.sent.items() if "utm" in name} == {"utm_source": "newsletter"}
    assert (arrival.sent["fbp"], arrival.sent["handlID"]) == ("fb.1.1.1", "1432")


# However it is sent


ADDED = """
document.body.insertAdjacentHTML("beforeend", `<form method="post" action="/to"><button id="added">Send</button></form>
<a id="link" data-fb-loc="late" href="/to">Go</a>`);
"""


@pytest.mark.parametrize("selector", ["#added", "#link"])
async def test_forms_and_links_that_are_added_later(site, page, selector):
    site.page("/", "")
    await page.goto(site.address(utm_source="fb"))
    await page.evaluate(ADDED)
    await page.click(selector)
    assert (await site.arrived()).sent["utm_source"] == "fb"


@pytest.mark.parametrize("script", ["form.submit()", "form.requestSubmit()"])
async def test_forms_that_scripts_submit(site, page, script):
    site.page("/", FORM)
    await page.goto(site.address(utm_source="fb"))
    async with page.expect_navigation():
        await page.evaluate(f"() => {{ const form = document.querySelector('form'); {script} }}")
    arrival = await site.arrived()
    assert (arrival.fields["utm_source"], arrival.fields["email"]) == ("fb", "ada@example.com")


@pytest.mark.parametrize("body", ["new FormData(form)", "new URLSearchParams(new FormData(form))"])
async def test_forms_whose_data_scripts_send(site, page, body):
    site.page("/", FORM)
    await page.goto(site.address(utm_source="fb"))
    await page.evaluate(
        f"async () => {{ const form = document.querySelector('form');"
        f" await fetch('/to', {{method: 'POST', body: {body}}}); }}"
    )
    arrival = await site.arrived()
    assert (arrival.fields["utm_source"], arrival.fields["email"]) == ("fb", "ada@example.com")


async def test_a_form_that_has_inputs_of_awkward_names(site, page):
    names = ("action", "method", "elements", "id", "submit", "target")
    site.page("/", FORM.replace("<button", "".join(f'<input name="{name}">' for name in names) + "<button"))
    await page.goto(site.address(utm_source="fb"))
    await page.click("button")
    assert (await site.arrived()).fields["utm_source"] == "fb"


@pytest.mark.parametrize("how", [{"button": "middle"}, {"modifiers": ["Control"]}])
async def test_links_that_are_opened_in_another_tab(site, page, how):
    site.page("/", LINK)
    await page.goto(site.address())
    async with other_tab(page):
        await page.click("a", **how)
    assert (await site.arrived()).query["fb_loc"] == "hero"


async def test_links_that_are_opened_by_key(site, page):
    site.page("/", LINK)
    await page.goto(site.address())
    await page.press("a", "Enter")
    assert (await site.arrived()).query["fb_loc"] == "hero"


# One conversion, one id


async def test_a_form_that_is_sent_twice_keeps_its_id_until_it_is_reset(site, page):
    site.page("/", FORM.replace("/to", "/stay").replace("<button", '<button type="reset">Reset</button><button'))
    await page.goto(site.address())
    for count in (1, 2):
        await page.click("text=Send")
        await site.arrived(count)
    await page.click("text=Reset")
    await page.click("text=Send")
    await site.arrived(3)
    first, second, third = (arrival.fields["fb_event_id"] for arrival in site.arrivals)
    assert first == second != third


async def test_a_double_click_on_a_button_is_one_event(site, page):
    site.page("/", FORM.replace("/to", "/stay"))
    await page.goto(site.address())
    await page.dblclick("button")
    await until(lambda: site.arrivals)
    assert len({arrival.fields["fb_event_id"] for arrival in site.arrivals}) == 1


async def test_each_click_on_a_link_is_an_event_and_a_double_click_is_one(site, page):
    site.page("/", LINK.replace("<a", '<a target="_blank"'))
    await page.goto(site.address(fb_event_id=EVENT_ID))
    async with other_tab(page):
        await page.click("a")
    await page.dblclick("a")
    await until(lambda: len(page.context.pages) == 4)
    for one in page.context.pages:
        await one.wait_for_load_state()
    await site.arrived(3)
    first, second, third = (arrival.query["fb_event_id"] for arrival in site.arrivals)
    assert first != second == third
    assert EVENT_ID not in (first, second)


async def test_the_first_form_takes_the_id_of_the_call_to_action_and_another_its_own(site, page):
    site.page("/", f"{FORM}{FORM.replace('Send', 'Other')}".replace("/to", "/stay"))
    await page.goto(site.address(fb_event_id=EVENT_ID))
    for count, button in enumerate(("Send", "Other", "Send"), 1):
        await page.click(f"text={button}")
        await site.arrived(count)
    first, second, third = (arrival.fields["fb_event_id"] for arrival in site.arrivals)
    assert first == third == EVENT_ID
    assert is_uuid4(second)


async def test_the_pixel_can_share_the_id(site, page):
    site.scripts["/pixel.js"] = """
window.sent = [];
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-fb-loc]");
  if (link) sent.push(new URL(link.href).searchParams.get("fb_event_id"));
});
document.addEventListener("submit", (event) => sent.push(new FormData(event.target).get("fb_event_id")));
"""
    site.page("/", LINK.replace("<a", '<a target="_blank"') + FORM.replace("/to", "/stay"), scripts=["/pixel.js"])
    await page.goto(site.address())
    async with other_tab(page):
        await page.click("a")
    await page.click("button")
    await site.arrived(2)
    assert await page.evaluate("sent") == [arrival.sent["fb_event_id"] for arrival in site.arrivals]


async def test_if_no_id_can_be_made_none_is_forwarded(site, page):
    await page.add_init_script("delete Crypto.prototype.randomUUID")
    site.page("/", FORM)
    await page.goto(site.address(utm_source="fb"))
    await page.click("button")
    sent = (await site.arrived()).fields
    assert "fb_event_id" not in sent
    assert sent["utm_source"] == "fb"


# What is remembered, and what consent allows


GRANTED = 'data-consent="granted"'


async def kept(page):
    return await page.evaluate("sessionStorage.getItem('outbox')")


@pytest.mark.parametrize(
    ("touch", "source"), [("", "second"), ('data-touch="last"', "second"), ('data-touch="first"', "first")]
)
async def test_with_consent_the_visit_is_remembered_from_page_to_page(site, page, touch, source):
    site.page("/", FORM, f"{GRANTED} {touch}")
    site.page("/plain", FORM, f"{GRANTED} {touch}")
    await page.goto(site.address(utm_source="first", utm_medium="cpc"), referer="https://a.example/")
    await page.goto(site.address("/plain"))
    await page.goto(site.address(utm_source="second", fbclid=FBCLID), referer="https://b.example/")
    seen_at = (await page.evaluate("JSON.parse(sessionStorage.getItem('outbox'))"))["at"]
    await page.goto(site.address("/plain"))
    await page.click("button")
    sent = (await site.arrived()).fields
    assert (sent["utm_source"], sent.get("utm_medium")) == (source, "cpc" if source == "first" else None)
    assert sent["document_referrer"] == ("https://a.example/" if source == "first" else "https://b.example/")
    assert sent["fbc"] == f"fb.1.{seen_at}.{FBCLID}"  # the newest click, whichever touch counts
    assert (sent["ad_user_data"], sent["ad_personalization"]) == ("granted", "granted")


@pytest.mark.parametrize("options", ["", 'data-consent="denied"'])
async def test_without_consent_nothing_is_stored(site, page, options):
    site.page("/", FORM, options)
    site.page("/plain", FORM, options)
    await page.goto(site.address(utm_source="fb"))
    assert await kept(page) is None
    await page.goto(site.address("/plain"))
    await page.click("button")
    assert "utm_source" not in (await site.arrived()).fields


async def test_denied_consent_is_forwarded_without_the_identifiers(site, page):
    site.page("/", FORM, 'data-consent="denied"')
    await give_cookies(page, site, COOKIES)
    await page.goto(site.address(utm_source="fb", fbclid=FBCLID))
    await page.click("button")
    arrival = await site.arrived()
    assert arrival.fields.keys() & IDENTIFIERS == set()
    assert arrival.fields["utm_source"] == "fb"
    assert arrival.visitor.consent == {"ad_user_data": "denied", "ad_personalization": "denied"}


async def test_a_banner_may_decide_at_any_time(site, page):
    site.scripts["/banner.js"] = """
window.choice = undefined;
window.outboxConsent = () => choice;
window.choose = (word) => { choice = {ad_storage: word, ad_user_data: word, ad_personalization: "denied"}; };
"""
    for path in ("/", "/plain"):
        site.page(path, FORM.replace("/to", "/stay"), scripts=["/banner.js"])
    await page.goto(site.address(utm_source="fb", fbclid=FBCLID))
    assert await kept(page) is None
    await page.evaluate("choose('granted')")
    await page.goto(site.address("/plain"))  # kept when the page was left
    assert "fb" in await kept(page)
    await page.evaluate("choose('granted')")
    await page.click("button")
    sent = (await site.arrived(1)).fields
    assert (sent["utm_source"], sent["fbclid"]) == ("fb", FBCLID)
    assert (sent["ad_user_data"], sent["ad_personalization"]) == ("granted", "denied")
    await page.evaluate("choose('denied')")
    await page.click("button")
    assert (await site.arrived(2)).fields.keys() & IDENTIFIERS == set()
    assert await kept(page) is None


async def test_a_browser_without_storage_forwards_all_the_same(site, page):
    await page.add_init_script(
        "Object.defineProperty(window, 'sessionStorage', {get() { throw new DOMException('no', 'SecurityError'); }})"
    )
    site.page("/", FORM, GRANTED)
    await page.goto(site.address(utm_source="fb"))
    await page.click("button")
    assert (await site.arrived()).fields["utm_source"] == "fb"


async def test_a_page_that_loads_it_twice_forwards_everything_once(site, page):
    site.page("/", LINK.replace("<a", '<a target="_blank"') + FORM.replace("/to", "/stay"), scripts=["/outbox.js"])
    await page.goto(site.address(utm_source="fb"))
    async with other_tab(page):
        await page.click("a")
    arrival = await site.arrived(1)
    assert arrival.address.count("utm_source=") == 1
    await page.click("button")
    await site.arrived(2)
    assert await page.get_attribute("a", "href") == "/to?keep=a%20b#part"


async def test_it_is_small():
    assert len(SNIPPET.read_bytes()) < 6_500

"""The way in by HTTP alone: a browser, `outbox serve` and `outbox dispatch` as processes, to the sandbox."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import expect

import outbox
from dispatcher.sandbox.meta import dataset_quality
from tests.support.stripe_events import NEW, SECRET, signed
from tests.support.waiting import until

OUTBOX = Path(sys.executable).with_name("outbox")
PERSON = {"email": "Ada.Lovelace@Example.com", "name": "Ada Lovelace", "phone": "+44 20 7946 0958", "country": "GB"}
IP = "203.0.113.42"  # as the proxy in front of a site tells it
FBCLID = "IwAR0abc_DEF-123"
NOW = int(time.time())
COOKIES = {
    "_fbp": "fb.1.1700000000000.1234567890",
    "_ga": "GA1.1.111.222",
    "_ga_XLHMXGR17M": f"GS2.1.s{NOW}$o1$g0$t{NOW}$j0$l0$h0",
    "handlID": "8812345678901234",
}
LANDING = f"/?fbclid={FBCLID}&utm_source=facebook&utm_medium=paid&utm_campaign=spring"
SNIPPET = '<script src="{serve}/outbox.js" data-hosts="localhost" defer></script>'
PAGES = {
    "/": SNIPPET + '<a href="/contact" data-fb-loc="hero">Talk to us</a>',
    "/contact": SNIPPET
    + """
    <form method="post" action="{serve}/forms/contact">
      <input name="email"><input name="name"><input name="phone"><input name="country">
      <input name="_gotcha" style="display: none" tabindex="-1" autocomplete="off">
      <input name="page_url" type="hidden">
      <button>Send</button>
    </form>
    <script>document.querySelector("[name=page_url]").value = location.href;</script>
    """,
    "/script": """
    <form id="form"><input name="email"><button>Send</button></form><output></output>
    <script>
      form.addEventListener("submit", async (event) => {{
        event.preventDefault();
        const answer = await fetch("{serve}/forms/contact", {{
          method: "POST",
          headers: {{"Content-Type": "application/json"}},
          body: JSON.stringify({{...Object.fromEntries(new FormData(form)), page_url: location.href}}),
        }});
        document.querySelector("output").textContent = JSON.stringify(await answer.json());
      }});
    </script>
    """,
    "/thanks": "<h1>Thank you</h1>",
}


def hashed(key):
    return sha256(key.encode()).hexdigest()


@pytest.fixture
async def pages():
    """The company's site; `pages["serve"]` is where its forms go."""
    serve = {}

    async def page(request):
        html = PAGES[request.path].format(**serve)
        answer = web.Response(text=f"<!doctype html><title>site</title>{html}", content_type="text/html")
        for name, value in COOKIES.items() if request.path == "/" else ():
            answer.set_cookie(name, value)
        return answer

    app = web.Application()
    app.add_routes([web.get(path, page) for path in PAGES])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    serve["site"] = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield serve
    await runner.cleanup()


@pytest.fixture
def command(spine, tmp_path):
    """Run `outbox …` in a folder of its own until it ends; it must end well."""
    environment = {
        "PATH": os.environ["PATH"],
        "OUTBOX_DATABASE_URL": spine.database_url,
        "META_CAPI_TOKEN": "test-token",
        "META_CAPI_BASE_URL": spine.sandbox.url,
        "GA4_API_SECRET": "test-secret",
        "GA4_MP_BASE_URL": spine.sandbox.url,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "FRANCHISE_TOKEN": "franchise-token",
    }

    async def start(*arguments):
        return await asyncio.create_subprocess_exec(
            OUTBOX, *arguments, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    async def command(*arguments):
        process = await start(*arguments)
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return output.decode()

    @asynccontextmanager
    async def serving():
        process = await start("serve", "--port", "0")
        lines = []
        while not lines or "address" not in lines[-1]:
            line = await process.stderr.readline()
            assert line, lines
            lines.append(json.loads(line))
        rest = asyncio.create_task(process.stderr.read())
        try:
            yield lines[-1]["address"].replace("127.0.0.1", "localhost")  # another site than that of the pages
        finally:
            process.terminate()
            assert await process.wait() == 0
            assert "Traceback" not in (await rest).decode()

    command.serving = serving
    return command


@pytest.fixture
async def page(browser):
    """A browser behind a proxy that tells where it is."""
    context = await browser.new_context(extra_http_headers={"X-Forwarded-For": IP})
    page = await context.new_page()
    yield page
    await context.close()


def arrived(spine, destination, name):
    (arrival,) = [arrival for arrival in spine.arrivals(destination) if arrival.event_name == name]
    assert list(arrival.problems) == []
    return arrival


async def test_every_identifier_of_the_first_page_is_in_the_user_data_of_the_last_event(
    spine, command, pages, page, tmp_path
):
    (tmp_path / "outbox.toml").write_text(
        f"""
        [forms.contact]
        redirect = "{pages["site"]}/thanks"
        required = ["email"]

        [serve]
        origins = ["{pages["site"]}"]
        """
    )
    async with command.serving() as address:
        pages["serve"] = address
        await page.goto(pages["site"] + LANDING)
        await page.click("a")
        await page.wait_for_url("**/contact*")
        for name, value in PERSON.items():
            await page.fill(f"[name={name}]", value)
        await page.click("button")
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        assert page.url == f"{pages['site']}/thanks"

        # The visitor signs up in the CRM, which knows the browser by its handlID, and pays by Stripe.
        # The form proves nothing, but its address is the account's: so the account gets what the form's browser told.
        person = outbox.Person(email=PERSON["email"])
        account = outbox.AccountCreated(account_id=42, handl_id=COOKIES["handlID"], person=person)
        outbox.record(spine.connection, account)
        payload, signature = signed(NEW.invoice_paid(metadata={"account_id": "42"}, at=int(time.time()), buyer={}))
        async with aiohttp.ClientSession() as http:
            headers = {"Stripe-Signature": signature}
            async with http.post(f"{address}/stripe/webhook", data=payload, headers=headers) as answer:
                assert (answer.status, (await answer.json())["status"]) == (200, "recorded")
    await command("dispatch", "--drain")

    lead = arrived(spine, "meta", "Lead").event
    agent = await page.evaluate("navigator.userAgent")
    fbc = lead["user_data"]["fbc"]
    version, subdomain, clicked, click_id = fbc.split(".", 3)
    assert (version, subdomain, click_id) == ("fb", "1", FBCLID)
    assert NOW <= int(clicked) // 1000 <= time.time()
    browser = {"fbp": COOKIES["_fbp"], "fbc": fbc, "client_user_agent": agent, "client_ip_address": IP}
    person = {"em", "ph", "fn", "ln", "country"}
    assert lead["user_data"] | browser == lead["user_data"]
    assert lead["user_data"].keys() == {*browser, *person, "external_id"}
    assert hashed(COOKIES["handlID"]) in lead["user_data"]["external_id"]
    assert lead["event_source_url"].startswith(f"{pages['site']}/contact")
    assert lead["action_source"] == "website"
    sent = {"lead_source": "facebook", "lead_medium": "paid", "lead_campaign": "spring", "fb_loc": "hero"}
    assert lead["custom_data"] | sent == lead["custom_data"]

    purchase = arrived(spine, "meta", "Purchase").event
    for name in (*browser, *person):
        assert purchase["user_data"][name] == lead["user_data"][name], name
    assert purchase["user_data"]["external_id"][:2] == [hashed("42"), hashed(COOKIES["handlID"])]
    assert dataset_quality.estimate(purchase["user_data"]) >= 9

    generate_lead, bought = arrived(spine, "ga4", "generate_lead"), arrived(spine, "ga4", "purchase")
    assert generate_lead.shared["client_id"] == bought.shared["client_id"] == "111.222"
    assert generate_lead.event["params"]["session_id"] == str(NOW)
    assert bought.shared["user_id"] == "42"
    assert bought.shared["user_data"] == generate_lead.shared["user_data"]


async def test_a_script_of_a_configured_page_posts_and_reads_the_answer_and_another_s_does_not(
    spine, command, pages, browser, tmp_path
):
    page = await browser.new_page()
    config = tmp_path / "outbox.toml"
    config.write_text(f'[forms.contact]\n[serve]\norigins = ["{pages["site"]}"]\n')
    async with command.serving() as address:
        pages["serve"] = address
        await page.goto(f"{pages['site']}/script?fb_event_id=shared&utm_source=newsletter")
        await page.fill("[name=email]", PERSON["email"])
        await page.click("button")
        await expect(page.locator("output")).to_have_text('{"event_id":"shared"}')
    config.write_text('[forms.contact]\n[serve]\norigins = ["https://www.example.com"]\n')
    async with command.serving() as address:
        pages["serve"] = address
        await page.goto(f"{pages['site']}/script?fb_event_id=another")
        async with page.expect_event("pageerror"):
            await page.click("button")
    rows = spine.connection.execute("SELECT event_id, campaign ->> 'source' FROM outbox.event").fetchall()
    assert rows == [("shared", "newsletter")]


COMPANY = """
defaults = false

[destinations.ads]
kind = "meta"
pixel_id = "1111111111"

[destinations.franchise]
kind = "meta"
like = "ads"
pixel_id = "2222222222"
token_env = "FRANCHISE_TOKEN"

[destinations.web]
kind = "ga4"
measurement_id = "G-BAKERY1234"

[steps.tasting_booked]
to.ads = { name = "Schedule", parameters = { content_category = "tasting" } }
to.franchise = "TastingBooked"
to.web = "book_tasting"
value = 12.5
currency = "GBP"

[steps.cake_ordered]
to = { ads = "Purchase", web = "purchase" }

[forms.tasting]
step = "tasting_booked"
product = "wedding-cake"
fields = { e-post = "person.email", gaeste = "details.guests" }
"""


async def test_another_company_s_funnel_by_its_file_alone(spine, command, tmp_path):
    (tmp_path / "outbox.toml").write_text(COMPANY)
    assert "step tasting_booked: 12.5 GBP is new" in await command("migrate")
    async with command.serving() as address, aiohttp.ClientSession() as http:
        form = {"e-post": "ada@example.com", "gaeste": "80", "fb_event_id": "tasting"}
        async with http.post(f"{address}/forms/tasting", data=form) as answer:
            assert answer.status == 204
        async with http.post(f"{address}/forms/lead-form-ds25", data=form) as answer:
            assert answer.status == 404  # the default's
    outbox.record(
        spine.connection,
        outbox.Conversion(
            name="cake_ordered",
            event_id="cake",
            account_id=7,
            details={"value": 240, "currency": "GBP", "order_id": "c-1"},
        ),
    )
    await command("dispatch", "--drain")
    await until(lambda: len(spine.sandbox.ledger.arrivals) == 6)
    arrivals = {(arrival.target, arrival.event_name, arrival.event_id) for arrival in spine.sandbox.ledger.arrivals}
    assert arrivals == {
        ("1111111111", "Schedule", "tasting"),
        ("2222222222", "TastingBooked", "tasting"),
        ("G-BAKERY1234", "book_tasting", "tasting"),
        ("1111111111", "Purchase", "cake"),
        ("2222222222", "Purchase", "cake"),
        ("G-BAKERY1234", "purchase", "cake"),
    }
    assert [problem for arrival in spine.sandbox.ledger.arrivals for problem in arrival.problems] == []
    schedule = arrived(spine, "meta", "Schedule").event["custom_data"]
    expected = {
        "value": 12.5,
        "currency": "GBP",
        "content_category": "tasting",
        "content_name": "tasting",
        "guests": "80",
    }
    assert schedule | expected == schedule
    receipts = spine.receipts()
    assert {receipts[event, name] for event in ("tasting", "cake") for name in ("ads", "franchise", "web")} == {
        ("delivered", None)
    }
    # The owner's own destinations stay in the table and get nothing.
    assert receipts["tasting", "meta"] == receipts["tasting", "ga4"] == ("skipped", "no route")

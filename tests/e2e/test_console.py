"""The console in a real browser, beside a running daemon that delivers real conversions."""

from __future__ import annotations

import json
import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.support.console_site import TOKEN
from tests.support.waiting import until

PAGES = ("/", "/events", "/events/1", "/people", "/dead", "/quality", "/destinations")
VISITOR = {
    "ip": "203.0.113.7",
    "user_agent": "Mozilla/5.0",
    "fbp": "fb.1.1700000000000.1234567890",
    "url": "https://example.com/",
}
VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""
SIGN_IN = "401"  # Chromium notes each answer that is not a success


@pytest.fixture
async def daemon(spine, dispatch, database_url):
    """A daemon with its console; three leads, a purchase and a purchase without a value, delivered as far as possible."""
    for number in range(3):
        spine.record(
            name="lead_submitted", event_id=f"lead-{number}", lead_id=f"L{number}", handl_id=f"H{number}", visitor=VISITOR,
            person={"email": f"person{number}@example.com"},
        )  # fmt: skip
    spine.record(
        name="subscription_purchased", event_id="sold", account_id="A1", details={"value": 90, "currency": "EUR"}
    )
    spine.record(name="subscription_purchased", event_id="no-value", account_id="A2")
    running = dispatch(database_url, "--port", "0", OUTBOX_CONSOLE_TOKEN=TOKEN)
    await until(lambda: running.logged("metrics are served"))
    await until(lambda: spine.count("receipt") == 10)
    await until(lambda: spine.count("delivery_count") and spine.count("destination_state"))
    line = next(line for line in running.lines if "metrics are served" in line)
    running.address = json.loads(line)["address"]
    return running


@pytest.fixture
def opened(browser, daemon):
    """Open a signed-in window whose pages must cause no errors."""
    contexts, problems = [], []

    async def opened(path="/", **options):
        context = await browser.new_context(base_url=daemon.address, **options)
        contexts.append(context)
        context.on("console", lambda message: SIGN_IN in message.text or problems.append(message.text))
        context.on("weberror", lambda error: problems.append(str(error.error)))
        context.on("request", lambda sent: sent.url.startswith(daemon.address) or problems.append(sent.url))
        await context.add_init_script(VIOLATIONS)
        page = await context.new_page()
        await page.goto(path)
        await page.get_by_label("Token").fill(TOKEN)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", level=1)).not_to_have_text("Sign in")
        return page

    async def closed():
        for context in contexts:
            for page in context.pages:
                if await page.evaluate("typeof violations") != "undefined":
                    assert await page.evaluate("violations") == []
            await context.close()
        assert problems == []

    opened.closed = closed
    return opened


@pytest.fixture
async def page(opened):
    """The overview page, signed in."""
    page = await opened()
    yield page
    await opened.closed()


async def test_the_overview_shows_that_conversions_arrive_and_links_to_dead_letters(page):
    await expect(page.locator(".headline").first).to_have_text(re.compile("^Conversions arrive: 8 deliveries"))
    for name in ("Meta", "GA4"):
        card = page.get_by_role("region", name=name, exact=True)
        await expect(card.locator(".state")).to_have_text("Running")
        await expect(card.get_by_role("img")).to_have_attribute(
            "aria-label", re.compile(f"^{name} in the last 60 minutes: 4 delivered")
        )
    await page.get_by_role("link", name="1 to review").first.click()
    await expect(page.get_by_role("heading", name="Meta: missing value")).to_be_visible()
    await expect(page.locator("main")).to_contain_text("Record value and currency with this step")


async def test_the_page_updates_itself_and_keeps_focus_and_opened_details(page, spine):
    await page.goto("/")
    await page.get_by_text("The last hour as a table").first.click()
    summary = page.locator("details[open] summary").first
    await summary.focus()
    spine.record(name="lead_submitted", event_id="later", lead_id="L9", visitor=VISITOR)
    await expect(page.locator(".headline").first).to_contain_text("10 deliveries", timeout=15_000)
    await expect(page.locator("details[open]")).to_have_count(1)
    assert await page.evaluate("document.activeElement.tagName") == "SUMMARY"


async def test_updates_can_be_paused(page, spine):
    await page.goto("/events")
    await expect(page.locator("tbody tr")).to_have_count(5)
    hold = page.get_by_role("button", name="Pause updates")
    await hold.click()
    await expect(hold).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#pulse")).to_be_hidden()
    requests = []
    page.on("request", lambda sent: requests.append(sent.url))
    spine.record(name="demo_requested", event_id="unseen", lead_id="L1")
    await until(lambda: spine.count("receipt") == 12)
    assert requests == []
    await hold.click()
    await expect(page.locator("tbody tr")).to_have_count(6, timeout=15_000)
    assert requests


async def test_a_dead_connection_is_no_longer_shown_as_live(opened):
    page = await opened()
    # The page waits 20 s for an answer; here, one.
    await page.context.add_init_script(
        "AbortSignal.timeout = ((real) => (ms) => real(ms / 20))(AbortSignal.timeout.bind(AbortSignal));"
    )
    await page.goto("/")
    pulse = page.locator("#pulse")
    await expect(pulse).to_have_text("Live")
    held = []

    async def hold(route):
        held.append(route)  # and no answer ever comes

    await page.route("**/*", hold)
    await expect(pulse).to_have_text("Out of date, retrying", timeout=15_000)
    assert held
    await page.unroute("**/*")
    await expect(pulse).to_have_text("Live", timeout=15_000)
    await opened.closed()


async def test_events_are_found_and_the_search_term_is_in_no_address(page):
    await page.goto("/events")
    for text in ("lead-1", "L1", "H1", "person1@example.com"):
        await page.get_by_label("Event id, handlID, lead, account or e-mail").fill(text)
        await page.get_by_role("button", name="Find").click()
        await expect(page.locator("tbody tr")).to_have_count(1)
        await expect(page.locator("tbody code")).to_have_text("lead-1")
        assert page.url.endswith("/events")
        assert text not in page.url
    await page.get_by_role("link", name="lead submitted").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("lead submitted")
    await expect(page.locator(".timeline")).to_contain_text("Delivered to Meta")
    await expect(page.locator(".matrix")).to_contain_text("external_id")
    await page.get_by_text("Meta", exact=True).last.click()
    await expect(page.locator("pre").first).to_contain_text('"event_name": "Lead"')
    await page.get_by_role("button", name="Show this person").first.click()
    await expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    assert "person1@example.com" not in await page.content()


async def test_a_destination_is_paused_and_resumed_and_the_overview_shows_it(page, spine):
    await page.goto("/destinations")
    await page.get_by_role("button", name="Pause GA4", exact=True).click()
    await expect(page.get_by_role("status").first).to_contain_text("Paused: deliveries wait")
    await page.goto("/")
    await expect(page.locator(".verdict")).to_contain_text("GA4 is paused")
    await page.goto("/destinations")
    await page.get_by_role("button", name="Resume GA4", exact=True).click()
    await expect(page.get_by_role("button", name="Pause GA4", exact=True)).to_be_visible()
    assert spine.connection.execute("SELECT paused FROM outbox.destination WHERE name = 'ga4'").fetchone() == (False,)


async def test_a_dead_letter_is_requeued_after_the_fix_and_delivered(page, spine):
    spine.connection.execute(
        "UPDATE outbox.step SET value = 10, currency = 'EUR' WHERE name = 'subscription_purchased'"
    )
    await page.goto("/events/5")
    await expect(page.locator(".big")).to_contain_text("Meta: failed, missing value")
    await page.get_by_role("button", name="Requeue at Meta").click()
    await expect(page.locator(".big")).to_contain_text("Meta: delivered again", timeout=15_000)
    await expect(page.locator(".timeline")).to_contain_text("Requeued: to be sent again")


async def test_a_refused_token_is_shown_with_what_to_do(page, spine):
    spine.faults("meta", rates={"token_invalid": 1.0})
    spine.record(name="lead_submitted", event_id="waits", lead_id="L1", visitor=VISITOR)
    await expect(page.locator(".headline").first).to_contain_text("Meta is halted", timeout=20_000)
    await expect(page.locator(".verdict")).to_contain_text("Put a new token in META_CAPI_TOKEN")
    await expect(page.locator("#announcement")).to_contain_text("bad: Meta is halted")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
async def test_pages_are_accessible_in_either_colour_scheme_and_on_a_phone(opened, scheme, width):
    page = await opened(viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce")
    for path in PAGES:
        await page.goto(path)
        for summary in await page.locator("summary").all():
            if await summary.is_visible():
                await summary.click()
        assert await page.locator("h1").count() == 1
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
        found = (await Axe().run(page)).response["violations"]
        assert [(path, one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
    await opened.closed()


async def test_the_keyboard_reaches_everything_and_can_skip_the_menu(page):
    await page.goto("/")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.closest('main') !== null")
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


async def test_pages_and_actions_work_without_javascript(opened, spine):
    page = await opened(java_script_enabled=False)
    await expect(page.locator(".headline").first).to_contain_text("Conversions arrive")
    await expect(page.get_by_role("button", name="Pause updates")).to_be_hidden()
    await page.get_by_role("link", name="Refresh").click()
    await page.goto("/destinations")
    await page.get_by_role("button", name="Pause Meta", exact=True).click()
    await expect(page.get_by_role("status").first).to_contain_text("Paused")
    assert spine.connection.execute("SELECT paused FROM outbox.destination WHERE name = 'meta'").fetchone() == (True,)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Token")).to_be_visible()

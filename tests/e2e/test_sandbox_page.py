"""The sandbox's page in a real browser."""

import time
from hashlib import sha256

import aiohttp
import pytest
from playwright.async_api import expect

from dispatcher.sandbox import running

DIGEST = sha256(b"someone@example.com").hexdigest()
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""


@pytest.fixture
async def sandbox():
    async with running() as sandbox:
        yield sandbox


@pytest.fixture
async def http(sandbox):
    async with aiohttp.ClientSession(sandbox.url, headers={"Authorization": "Bearer meta-token"}) as session:
        yield session


@pytest.fixture
async def page(browser, sandbox):
    """A page without errors, violations of its policy, or requests to other hosts."""
    page = await browser.new_page(base_url=sandbox.url)
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: sent.url.startswith(sandbox.url) or complaints.append(sent.url))
    await page.add_init_script(VIOLATIONS)
    yield page
    assert await page.evaluate("window.violations") == []
    assert complaints == []
    await page.close()


async def lead(http, event_id="e-1", **changes):
    event = {
        "event_name": "Lead",
        "event_time": int(time.time()) - 5,
        "event_id": event_id,
        "action_source": "website",
        "event_source_url": "https://encycam.com/lead",
        "user_data": {"em": [DIGEST], "fbc": "fb.1.1554763741205.AbCdEf", "client_user_agent": "Mozilla/5.0"},
        **changes,
    }
    async with http.post("/v25.0/1530042020969436/events", json={"data": [event]}) as response:
        return response.status


async def hit(http, name="generate_lead", **params):
    content = {"client_id": "1.2", "user_id": "account-7", "events": [{"name": name, "params": params}]}
    async with http.post("/mp/collect?measurement_id=G-XLHMXGR17M&api_secret=ga4-secret", json=content) as response:
        return response.status


async def test_an_empty_sandbox_shows_how_to_point_a_dispatcher_here(page, sandbox):
    await page.goto("/")
    await expect(page.get_by_role("heading", name="Nothing has arrived yet")).to_be_visible()
    await expect(page.locator("pre")).to_contain_text(f"META_CAPI_BASE_URL={sandbox.url}")
    await expect(page.locator("pre")).to_contain_text(f"GA4_MP_BASE_URL={sandbox.url}")


async def test_events_appear_by_themselves_newest_first_and_field_by_field(page, http):
    await page.goto("/")
    await lead(http)
    first = page.locator("article").first
    await expect(first.locator("h3")).to_have_text("Lead")
    await expect(page.locator("#empty")).to_be_hidden()
    await expect(first.locator(".verdict")).to_have_text("Counted")
    for key, state, mark in (("em", "present", "✅"), ("fbc", "present", "✅"), ("ph", "missing", "❌")):
        field = first.locator(f"[data-field='user_data.{key}']")
        await expect(field).to_have_class(state)
        await expect(field.locator(".mark")).to_have_text(mark)
    await expect(first.get_by_role("img", name="Match quality, estimate: 3.9")).to_be_visible()
    await lead(http)
    await expect(page.locator("article")).to_have_count(2)
    await expect(first.locator(".verdict")).to_have_text("Duplicate, dropped")
    await hit(http, event_id="e-1")
    await expect(page.locator("article")).to_have_count(3)
    await expect(first.locator("h3")).to_have_text("generate_lead")
    await expect(page.locator("[data-total='meta.counted']")).to_have_text("1")
    await expect(page.locator("[data-total='meta.duplicates']")).to_have_text("1")
    await expect(page.locator("[data-total='ga4.counted']")).to_have_text("1")


async def test_an_invalid_event_shows_why_and_the_payload_can_be_opened(page, http):
    assert await lead(http, user_data={"em": [DIGEST], "fbc": "AbCdEf", "client_user_agent": "Mozilla/5.0"}) == 400
    await hit(http, ga_event_id="e-1")
    await page.goto("/")
    refused, invalid = page.locator("article").nth(1), page.locator("article").nth(0)
    await expect(refused.locator(".verdict")).to_have_text("Refused")
    await expect(refused.locator("[data-field='user_data.fbc'].invalid")).to_contain_text("does not look like fb.")
    await expect(refused.locator(".notes")).to_contain_text("100/2804001")
    await expect(invalid.locator(".verdict")).to_have_text("Not valid")
    await expect(invalid.locator("[data-field='params.ga_event_id'].invalid")).to_contain_text("reserved")
    await invalid.locator("summary").click()
    await expect(invalid.locator("pre").first).to_contain_text('"ga_event_id": "e-1"')
    await expect(invalid.locator("pre").last).to_contain_text('"client_id": "1.2"')


async def test_hostile_names_are_shown_as_text(page, http):
    await page.goto("/")
    title = await page.title()
    await lead(http, event_id=HOSTILE, event_name=HOSTILE)
    await hit(http, HOSTILE, event_id=HOSTILE)
    await expect(page.locator("article")).to_have_count(2)
    assert await page.locator("article h3").all_inner_texts() == [HOSTILE, HOSTILE]
    await page.reload()
    assert await page.locator("article h3").all_inner_texts() == [HOSTILE, HOSTILE]
    assert await page.locator("article img, article script").count() == 0
    assert await page.title() == title


async def test_the_filter_shows_one_destination_or_only_what_has_remarks(page, http):
    await lead(http)
    await hit(http)
    await hit(http, ga_event_id="x")
    await page.goto("/")
    for link, names in (
        ("Meta", ["Lead"]),
        ("GA4", ["generate_lead", "generate_lead"]),
        ("Only problems", ["generate_lead"]),
        ("All", ["generate_lead"]),
        ("Only problems", ["generate_lead", "generate_lead", "Lead"]),
    ):
        await page.get_by_role("link", name=link, exact=True).click()
        await expect(page.locator("article h3")).to_have_text(names)
    await page.get_by_role("link", name="GA4", exact=True).click()
    await lead(http, "e-2")
    await expect(page.locator("[data-total='meta.counted']")).to_have_text("2")
    await expect(page.locator("article")).to_have_count(2)


async def test_clear_empties_the_ledger_and_every_open_page(page, http, sandbox):
    await lead(http)
    await page.goto("/")
    await page.get_by_role("button", name="Clear").click()
    await expect(page.get_by_role("heading", name="Nothing has arrived yet")).to_be_visible()
    assert not sandbox.ledger.arrivals
    await lead(http)
    await expect(page.locator("article")).to_have_count(1)
    sandbox.ledger.clear()
    await expect(page.locator("article")).to_have_count(0)


async def test_the_page_reads_without_javascript_and_on_a_phone(browser, http, sandbox):
    await lead(http)
    await hit(http, page_location="https://encycam.com/" + "x" * 500)
    page = await browser.new_page(java_script_enabled=False, viewport={"width": 360, "height": 740})
    await page.goto(sandbox.url)
    await expect(page.locator("article")).to_have_count(2)
    await expect(page.get_by_role("button", name="Clear")).to_be_hidden()
    await page.locator("summary").first.click()
    box = await page.locator("main").bounding_box()
    assert box is not None
    assert box["width"] <= 360
    right = [await card.bounding_box() for card in await page.locator("article").all()]
    assert all(one and one["x"] + one["width"] <= 360 for one in right)
    await page.close()


async def test_the_page_forbids_inline_code_and_framing_and_shows_no_secret(http):
    await lead(http)
    await hit(http)
    for path in ("/", "/updates", "/static/sandbox.js"):
        async with http.get(path) as response:
            policy = response.headers["Content-Security-Policy"]
            text = await response.text()
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "meta-token" not in text
        assert "ga4-secret" not in text

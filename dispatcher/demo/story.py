"""One visit over HTTP by a client with a cookie jar: from the click on an advertisement to a purchase."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from uuid import uuid4

import aiohttp
import msgspec
from yarl import URL

from dispatcher.demo.panel import Recorded

STEPS = ("lead_submitted", "account_created", "trial_started", "email_verified", "subscription_purchased")
"""The conversions that the visit must record, in this order."""

VISITOR = {
    "first_name": "Theodosia",
    "last_name": "Papakyriakou",
    "email": "Theodosia.Papakyriakou@Example.com",
    "phone": "96 123 457",  # national: dialled where the CRM is
    "country": "CY",
}
ADDRESS = {"city": "Limassol", "postal_code": "3036"}
RAW = {
    "The e-mail address": "theodosia.papakyriakou",
    "The first name": VISITOR["first_name"],
    "The last name": VISITOR["last_name"],
    "The phone number": VISITOR["phone"],
    "The phone number, in digits": "96123457",
}
"""Values that must be nowhere but in the CRM's own tables; the search ignores case."""

_HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "X-Forwarded-For": "198.51.100.23",  # as the proxy in front of a site would report
}
_TIMEOUT = aiohttp.ClientTimeout(total=20)


class StoryError(RuntimeError):
    """The visit could not continue; the message says where."""


class Visit(msgspec.Struct, frozen=True):
    """A visit: the event id it came with, and the conversions it recorded, oldest first."""

    event_id: str
    recorded: list[Recorded]


async def visit(site: str) -> Visit:
    """Go through the site once."""
    event_id = str(uuid4())
    arrived_by = {
        "fbclid": f"IwAR{uuid4().hex}_Kerf-{uuid4().hex}",
        "utm_source": "facebook",
        "utm_medium": "paid",
        "utm_campaign": "spring-launch",
        "fb_event_id": event_id,
    }
    jar = aiohttp.CookieJar(unsafe=True)  # unsafe: accept cookies from IP addresses
    async with aiohttp.ClientSession(cookie_jar=jar, headers=_HEADERS, timeout=_TIMEOUT) as session:
        browser = _Browser(session, URL(site))
        landing = await browser.open(f"/?{URL.build(query=arrived_by).raw_query_string}")
        await browser.open(_link(landing, "hero"))
        await browser.send({**VISITOR, **ADDRESS})  # ends on the thank-you page
        await browser.open("/sign-up")
        await browser.send(VISITOR)
        await browser.send({"email": VISITOR["email"]})  # the sign-up has redirected to the sign-in page
        await browser.open(_link(await browser.open("/account"), "verify"))
        await browser.open("/purchase")
        await browser.send({**ADDRESS, "plan": "team"})
        answer = await browser.open("/recorded")
    return Visit(event_id, msgspec.json.decode(answer, type=list[Recorded])[::-1])


class _Browser:
    """A browser apart from its cookies: it keeps track of its page, and sends it as Referer."""

    def __init__(self, session: aiohttp.ClientSession, site: URL) -> None:
        self._session = session
        self._page = site
        self._referer: dict[str, str] = {}

    async def open(self, address: str) -> str:
        """Follow a link on the current page."""
        return await self._go("GET", self._page.join(URL(address, encoded=True)))

    async def send(self, form: Mapping[str, str]) -> str:
        """Submit the form of the current page to the page's own URL."""
        return await self._go("POST", self._page, form)

    async def _go(self, method: str, url: URL, form: Mapping[str, str] | None = None) -> str:
        try:
            async with self._session.request(method, url, data=form, headers=self._referer) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StoryError(f"{method} {url.path} was not answered ({type(error).__name__})") from error
        if answer.status != 200 or (method == "POST" and not answer.history):
            raise StoryError(f"{method} {url.path} was answered with {answer.status}")
        self._page = answer.url
        self._referer = {"Referer": str(answer.url)}
        return text


def _link(page: str, name: str) -> str:
    """Return the URL of the link with the attribute `data-link="name"`."""
    found = re.search(rf'<a [^>]*href="([^"]*)" data-link="{name}"', page)
    if found is None:
        raise StoryError(f"a page lacks its link {name!r}")
    return unescape(found[1])

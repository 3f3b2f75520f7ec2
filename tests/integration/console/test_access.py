"""Who may view the console, who may act, and the headers of every page."""

from __future__ import annotations

import re
import time

import aiohttp
import pytest
from structlog.testing import capture_logs

from dispatcher.config import Config, Serve
from dispatcher.console.access import COOKIE, NO_ACTIONS
from tests.support.console_site import TOKEN, serving

PAGES = ("/", "/events", "/people", "/dead", "/quality", "/destinations")
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
PAUSE = {"destination": "meta", "action": "pause"}


def paused(spine):
    return spine.connection.execute("SELECT paused FROM outbox.destination WHERE name = 'meta'").fetchone()[0]


@pytest.mark.parametrize("path", PAGES)
async def test_without_a_token_local_users_may_view_pages(local, path):
    assert (await local.get(path)).status == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:9100", "LOCALHOST:1"])
async def test_without_a_token_every_loopback_host_name_is_accepted(local, host):
    assert (await local.get("/", Host=host)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "console.evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "[broken"},
        {"Host": ""},
        {"X-Forwarded-For": "203.0.113.9"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"Via": "1.1 proxy"},
    ],
    ids=str,
)
async def test_without_a_token_nobody_gets_in_through_a_public_name_or_a_proxy(local, headers):
    page = await local.get("/events", **headers)
    assert page.status == 403
    assert "OUTBOX_CONSOLE_TOKEN" in page.text


async def test_without_a_token_nobody_may_act_and_the_page_says_what_to_set(local, spine):
    assert "OUTBOX_CONSOLE_TOKEN" in (await local.get("/destinations")).text
    refused = await local.post("/destinations", PAUSE)
    assert (refused.status, NO_ACTIONS in refused.text) == (403, True)
    assert not paused(spine)


@pytest.mark.parametrize("path", PAGES)
async def test_with_a_token_every_page_asks_for_it(stranger, path):
    page = await stranger.get(path)
    assert page.status == 401
    assert "Token" in page.text


async def test_the_cookie_proves_the_token_without_containing_it(stranger):
    answer = await stranger.sign_in()
    assert (answer.status, answer.headers["Location"]) == (303, "/events")
    cookie = answer.cookies[COOKIE]
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"]) == ("Strict", "/")
    assert TOKEN not in cookie.value
    assert (await stranger.get("/events")).status == 200
    assert (await stranger.act("/sign-out", {})).status == 303
    assert (await stranger.get("/events")).status == 401


async def test_behind_https_the_cookie_is_secure(stranger):
    answer = await stranger.post("/sign-in", {"token": TOKEN}, **{"X-Forwarded-Proto": "https"})
    assert answer.cookies[COOKIE]["secure"]


async def test_a_bearer_needs_no_cookie(stranger, spine):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert (await stranger.get("/", **headers)).status == 200
    assert (await stranger.post("/destinations", PAUSE, **headers)).status == 303
    assert paused(spine)
    assert (await stranger.get("/", Authorization="Bearer wrong")).status == 401


async def test_a_session_that_is_forged_expired_or_of_another_token_is_refused(site, database_url, settings):
    (cookie,) = site.http.cookie_jar
    session, _, proof = cookie.value.rpartition(".")
    name, _, expires = session.partition(".")
    past = int(time.time()) - 1
    async with serving(database_url, settings, token="another token") as other:
        site.http.cookie_jar.clear()
        for value in (
            f"{name}.{int(expires) + 1}.{proof}",
            f"{name}.{past}.{proof}",
            f"{session}.{'0' * 64}",
            f"..{proof}",
            "",
            "é.1.2",
        ):
            assert (await site.get("/", Cookie=f"{COOKIE}={value}")).status == 401
        assert (await site.get("/", Cookie=f"{COOKIE}={cookie.value}")).status == 200
        assert (await other.get("/", Cookie=f"{COOKIE}={cookie.value}")).status == 401


async def test_sign_in_redirects_only_to_our_own_pages(stranger):
    for path in ("https://evil.example/", "//evil.example", "/\\evil.example", "/forms/lead", "javascript:alert(1)"):
        answer = await stranger.post("/sign-in", {"token": TOKEN, "next": path})
        assert answer.headers["Location"] == "/"


async def test_guessing_is_slowed_down_and_does_not_affect_sessions(site):
    statuses = [(await site.post("/sign-in", {"token": f"guess {n}"})).status for n in range(6)]
    assert statuses == [401] * 5 + [429]
    right = await site.post("/sign-in", {"token": TOKEN})
    assert right.status == 429
    assert int(right.headers["Retry-After"]) >= 1
    assert (await site.get("/")).status == 200


async def test_guessing_is_logged_without_the_token_or_the_address(stranger):
    with capture_logs() as logs:
        for number in range(2):
            await stranger.post("/sign-in", {"token": f"guess-{number}"}, **{"X-Outbox-Live": "1"})
        await stranger.get("/", Authorization="Bearer guess-2", **{"X-Outbox-Live": "1"})
    wrong = [entry for entry in logs if entry["event"] == "wrong console token"]
    assert [(entry["log_level"], entry["times"]) for entry in wrong] == [("warning", 1), ("warning", 2), ("warning", 3)]
    # Pages update themselves by GET, so the header of an update cannot hide a guess from the log.
    assert [entry["route"] for entry in logs if entry["event"] == "request"] == ["/sign-in"] * 2
    assert "guess-" not in str(logs)
    assert "127.0.0.1" not in str(logs)


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        ({}, {}),
        ({"csrf": "0" * 64}, {}),
        ({"csrf": None}, {"Origin": "https://evil.example"}),
        ({"csrf": None}, {"Origin": "null"}),
        ({"csrf": None}, {"Sec-Fetch-Site": "cross-site"}),
        ({"csrf": None}, {"Sec-Fetch-Site": "same-site"}),
    ],
)
async def test_an_action_from_elsewhere_than_a_page_of_this_session_is_refused(site, spine, form, headers):
    if "csrf" in form and form["csrf"] is None:
        form = {"csrf": await site.csrf()}
    refused = await site.post("/destinations", PAUSE | form, **headers)
    assert refused.status == 403
    assert not paused(spine)


async def test_the_form_of_one_session_is_refused_in_another(site, spine):
    csrf = await site.csrf()
    await site.sign_in()
    assert (await site.post("/destinations", PAUSE | {"csrf": csrf})).status == 403
    assert not paused(spine)


async def test_an_action_is_posted_and_never_a_link(site, spine):
    for path in ("/dead/requeue", "/sign-out"):
        assert (await site.get(path)).status in {404, 405}
    assert (await site.get("/destinations?destination=meta&what=pause")).status == 200
    assert not paused(spine)


async def test_an_action_is_logged_with_its_session_and_no_secret(site):
    with capture_logs() as logs:
        assert (await site.act("/destinations", PAUSE | {"step": "lead_submitted"})).status == 303
    (entry,) = [entry for entry in logs if "console" in entry["event"]]
    (cookie,) = site.http.cookie_jar
    assert entry["action"] == "pause"
    assert (entry["destination"], entry["step"]) == ("meta", "lead_submitted")
    assert entry["session"] == cookie.value.split(".")[0]
    written = str(logs)
    assert TOKEN not in written
    assert cookie.value not in written
    assert "127.0.0.1" not in written


@pytest.mark.parametrize(
    "path", [*PAGES, "/events/9", "/console/console.js", "/console/console.css", "/console/icon.svg"]
)
async def test_every_page_has_its_security_headers_and_nothing_inline(site, path):
    page = await site.get(path)
    assert page.headers["Content-Security-Policy"] == POLICY
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "same-origin"
    if page.headers["Content-Type"].startswith("text/html"):
        assert not re.search(r"<style|<script(?![^>]* src=\"/console/)|\sstyle=|\son\w+=|https?://", page.html)


async def test_a_page_that_may_post_forms_may_not_read_the_console(database_url, settings):
    origin = "https://www.example.com"
    config = Config(serve=Serve(origins=frozenset({origin})))
    async with serving(database_url, settings, token=TOKEN, config=config) as site:
        await site.sign_in()
        for path in PAGES:
            assert not [
                name for name in (await site.get(path, Origin=origin)).headers if name.startswith("Access-Control")
            ]


async def test_a_form_of_another_content_type_or_too_large_is_refused(site):
    async with site.http.post("/people", json={"by": "account"}) as answer:
        assert answer.status == 415
    assert (await site.post("/people", {"value": "x" * 20_000})).status == 413

    async def endless():
        for _ in range(40):
            yield b"x" * 1000

    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    async with site.http.post("/people", data=endless(), headers=kind) as answer:
        assert answer.status == 413
    with aiohttp.MultipartWriter("form-data") as parts:
        parts.append("x").set_content_disposition("form-data", name="value", filename="x.bin")
    async with site.http.post("/people", data=parts) as answer:
        assert answer.status == 415

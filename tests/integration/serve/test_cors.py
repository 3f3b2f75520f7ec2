"""Which pages may post, and which may read the response."""

from __future__ import annotations

import pytest

from tests.support.form_site import EVIL, LEAD, OURS, serving


async def test_a_listed_page_may_preflight_post_and_read(site, log):
    headers = {
        "Origin": OURS,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    async with site.http.options("/forms/plain", headers=headers) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == OURS
        assert answer.headers["Access-Control-Allow-Methods"] == "POST"
        assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type"
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert int(answer.headers["Access-Control-Max-Age"]) > 0
        assert answer.headers["Vary"] == "Origin"
    status, headers, _ = await site.post("plain", json=LEAD, headers={"Origin": OURS})
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, OURS)
    assert len(log.events()) == 1


async def test_a_listed_page_may_read_why_it_was_refused(site):
    for form, sent in (("nope", LEAD), ("strict", {}), ("plain", [])):
        status, headers, _ = await site.post(form, json=sent, headers={"Origin": OURS})
        assert status in {400, 404, 422}
        assert headers["Access-Control-Allow-Origin"] == OURS


@pytest.mark.parametrize(
    "origin",
    [
        EVIL,
        f"{OURS}.evil.example",
        "http://www.example.com",
        f"{OURS}:444",
        f"{OURS}/",
        "*",
        "https://*",
        "x",
        "http://[::1",
    ],
)
async def test_a_page_of_another_origin_may_do_nothing(site, log, origin):
    async with site.http.options("/forms/plain", headers={"Origin": origin}) as answer:
        assert answer.status == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
    status, headers, _ = await site.post("plain", data=LEAD, headers={"Origin": origin})
    assert (status, "Access-Control-Allow-Origin" in headers) == (403, False)
    assert log.events() == []


@pytest.mark.parametrize("origin", [None, "null", "own"])
async def test_a_form_on_our_own_host_or_one_that_hides_its_address_is_accepted(site, log, origin):
    headers = {"Origin": site.address if origin == "own" else origin} if origin else {}
    status, sent, _ = await site.post("plain", data=LEAD, headers=headers)
    assert (status, "Access-Control-Allow-Origin" in sent) == (204, False)
    assert len(log.events()) == 1


async def test_without_configured_origins_any_page_may_post_and_none_may_read(shared_database_url, log):
    async with serving(shared_database_url) as site:
        status, headers, _ = await site.post("demo", data=LEAD, headers={"Origin": EVIL})
        assert (status, "Access-Control-Allow-Origin" in headers) == (204, False)
        async with site.http.options("/forms/demo", headers={"Origin": EVIL}) as answer:
            assert answer.status == 403
    assert len(log.events()) == 1

"""Meta's own scores: from the sandbox, and from servers that respond with anything else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp import web

from dispatcher import sandbox as sandbox_server
from dispatcher.config.settings import Secret
from dispatcher.monitoring.quality import meta_scores
from dispatcher.monitoring.quality.scores import NO_RESPONSE, NO_TOKEN, NOT_UNDERSTOOD, NOT_YET

VISITOR = {"user_agent": "Mozilla/5.0", "url": "https://www.example.com/", "ip": "203.0.113.7"}


@pytest.fixture
async def answering(settings):
    """Settings that point at a server that responds with `status` and `body`, and its requests."""
    requests = []
    reply = {"status": 200, "body": b"{}"}

    async def answer(request):
        requests.append(request)
        return web.Response(status=reply["status"], body=reply["body"], content_type="application/json")

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield replace(settings, meta_base_url=f"http://127.0.0.1:{runner.addresses[0][1]}"), reply, requests
    await runner.cleanup()


async def test_the_scores_of_what_arrived_come_back_by_event_name(spine):
    spine.record(name="lead_submitted", handl_id="h1", person={"email": "ada@example.com"}, visitor=VISITOR)
    assert (await meta_scores(spine.settings)).problem == NOT_YET
    await spine.drain()
    result = await meta_scores(spine.settings)
    assert result.problem is None
    assert set(result.scores) == {"Lead"}
    assert 4 < result.scores["Lead"] <= 10


async def test_the_token_goes_in_a_header_and_nowhere_else(answering):
    settings, _, requests = answering
    await meta_scores(settings)
    (request,) = requests
    assert request.path == f"/{settings.meta_api_version}/dataset_quality"
    assert request.query["dataset_id"] == settings.meta_pixel_id
    assert request.headers["Authorization"] == "Bearer test-token"
    assert "test-token" not in str(request.url)


async def test_a_token_that_may_not_read_quality_is_reported_by_code(answering):
    settings, reply, _ = answering
    reply |= {"status": 400, "body": b'{"error": {"code": 10, "message": "secret words"}}'}
    result = await meta_scores(settings)
    assert result.scores == {}
    assert "error 10: permission missing" in result.problem
    assert "secret words" not in result.problem


async def test_a_wrong_token_is_reported(clock, settings):
    async with sandbox_server.running(clock=clock.now, token="another") as strict:
        result = await meta_scores(replace(settings, meta_base_url=strict.url))
    assert "error 190" in result.problem


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (200, b"{}", NOT_YET),
        (200, b'{"web": [{"event_name": "Lead", "event_match_quality": {"composite_score": null}}]}', NOT_YET),
        (200, b"<html>", NOT_UNDERSTOOD),
        (200, b'{"web": 3}', NOT_UNDERSTOOD),
        (200, b"[" * 100_000, NOT_UNDERSTOOD),
        (200, b"\xff", NOT_UNDERSTOOD),
        (
            503,
            b"{}",
            "Meta refused the request (HTTP 503); a token that may send is not always allowed to read quality",
        ),
    ],
)
async def test_whatever_is_answered_becomes_a_sentence(answering, status, body, problem):
    settings, reply, _ = answering
    reply |= {"status": status, "body": body}
    result = await meta_scores(settings)
    assert (result.scores, result.problem) == ({}, problem)


async def test_no_server_and_no_token(settings):
    assert (await meta_scores(replace(settings, meta_base_url="http://127.0.0.1:9"))).problem == NO_RESPONSE
    assert (await meta_scores(replace(settings, meta_token=Secret()))).problem == NO_TOKEN

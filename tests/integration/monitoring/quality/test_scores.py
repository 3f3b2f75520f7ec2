"""Meta's own scores: from the sandbox, and from servers that respond with anything else."""

from __future__ import annotations

import pytest
from aiohttp import web

from dispatcher import sandbox as sandbox_server
from dispatcher.config.settings import Secret
from dispatcher.destinations.meta.dataset_quality import NO_RESPONSE, NO_TOKEN, NOT_UNDERSTOOD, NOT_YET, own_scores
from dispatcher.sandbox import Accepted

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
    yield settings.changed("meta", base_url=f"http://127.0.0.1:{runner.addresses[0][1]}"), reply, requests
    await runner.cleanup()


async def test_the_scores_of_what_arrived_come_back_by_event_name(spine):
    spine.record(name="lead_submitted", handl_id="h1", person={"email": "ada@example.com"}, visitor=VISITOR)
    assert (await own_scores(spine.settings.of("meta"))).problem == NOT_YET
    await spine.drain()
    result = await own_scores(spine.settings.of("meta"))
    assert result.problem is None
    assert set(result.scores) == {"Lead"}
    assert 4 < result.scores["Lead"] <= 10


async def test_the_token_goes_in_a_header_and_nowhere_else(answering):
    settings, _, requests = answering
    await own_scores(settings.of("meta"))
    (request,) = requests
    assert request.path == f"/{settings.of('meta').api_version}/dataset_quality"
    assert request.query["dataset_id"] == settings.of("meta").pixel_id
    assert request.headers["Authorization"] == "Bearer test-token"
    assert "test-token" not in str(request.url)


async def test_a_token_that_may_not_read_quality_is_reported_by_code(answering):
    settings, reply, _ = answering
    reply |= {"status": 400, "body": b'{"error": {"code": 10, "message": "secret words"}}'}
    result = await own_scores(settings.of("meta"))
    assert result.scores == {}
    assert "error 10: permission missing" in result.problem
    assert "secret words" not in result.problem


async def test_a_wrong_token_is_reported(clock, settings):
    async with sandbox_server.running(clock=clock.now, accepted={"meta": Accepted(secret="another")}) as strict:
        result = await own_scores(settings.changed("meta", base_url=strict.url).of("meta"))
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
    result = await own_scores(settings.of("meta"))
    assert (result.scores, result.problem) == ({}, problem)


async def test_no_server_and_no_token(settings):
    assert (await own_scores(settings.changed("meta", base_url="http://127.0.0.1:9").of("meta"))).problem == NO_RESPONSE
    assert (await own_scores(settings.changed("meta", token=Secret()).of("meta"))).problem == NO_TOKEN

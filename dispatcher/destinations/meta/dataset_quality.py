"""Meta's own Event Match Quality, from its Dataset Quality API. Numbers only.

Source: https://developers.facebook.com/docs/marketing-api/conversions-api/dataset-quality-api
"""

from __future__ import annotations

from typing import Any

import aiohttp
import msgspec

from dispatcher.destinations.base import Reply
from dispatcher.destinations.match_quality import OwnScores
from dispatcher.destinations.meta.responses import classify
from dispatcher.destinations.meta.settings import MetaSettings

TIMEOUT_SECONDS = 10.0
MAX_REPLY = 1024 * 1024

NO_TOKEN = "META_CAPI_TOKEN is not set"  # noqa: S105 - the name of a variable
NO_RESPONSE = "Meta does not respond"
NOT_UNDERSTOOD = "Meta's response was not understood"
NOT_YET = "Meta has no score yet: it needs website events from the last 48 hours"


class _Match(msgspec.Struct):
    composite_score: float | None = None


class _ScoreEntry(msgspec.Struct):
    event_name: str
    event_match_quality: _Match | None = None


class _ScoresBody(msgspec.Struct):
    web: list[_ScoreEntry] = []
    error: Any = None


_decode = msgspec.json.Decoder(_ScoresBody, strict=False).decode


async def own_scores(settings: MetaSettings, *, seconds: float = TIMEOUT_SECONDS) -> OwnScores:
    """Return the score of each event name of the pixel in `settings`; never raise for what the network or Meta does.

    `settings` are those of one pixel; the token goes in a header. A token that may send is not always
    allowed to read quality: then `problem` says so.
    """
    if not settings.token:
        return OwnScores({}, NO_TOKEN)
    address = f"{settings.base_url.rstrip('/')}/{settings.api_version}/dataset_quality"
    query = {
        "dataset_id": settings.pixel_id,
        "fields": "web{event_name,event_match_quality{composite_score}}",
    }
    headers = {"Authorization": f"Bearer {settings.token.reveal()}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds), trust_env=False) as session,
            session.get(address, params=query, headers=headers, allow_redirects=False) as reply,
        ):
            return _understood(reply.status, await _start_of(reply))
    except (aiohttp.ClientError, TimeoutError, ConnectionError):
        return OwnScores({}, NO_RESPONSE)


async def _start_of(reply: aiohttp.ClientResponse) -> bytes:
    start = bytearray()
    async for chunk in reply.content.iter_any():
        start += chunk
        if len(start) >= MAX_REPLY:
            break
    return bytes(start)


def _understood(status: int, content: bytes) -> OwnScores:
    try:
        body = _decode(content)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return OwnScores({}, NOT_UNDERSTOOD)
    if body.error or status != 200:
        # By its codes, never by its text.
        response = classify(Reply(status, {}, content), sent=0)
        code = "/".join(str(part) for part in (response.code, response.subcode) if part is not None)
        error = f"error {code}: {response.reason}" if code else f"HTTP {status}"
        return OwnScores(
            {}, f"Meta refused the request ({error}); a token that may send is not always allowed to read quality"
        )
    scores = {
        entry.event_name: round(entry.event_match_quality.composite_score, 1)
        for entry in body.web
        # Null is "unavailable", not zero.
        if entry.event_match_quality and entry.event_match_quality.composite_score is not None
    }
    return OwnScores(scores, None if scores else NOT_YET)

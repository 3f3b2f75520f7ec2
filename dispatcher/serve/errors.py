"""Error responses: JSON that names fields and never quotes a value.

{"error": "some fields are invalid", "fields": {"email": "missing"}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

RETRY_SECONDS = 5
"""The value of `Retry-After` while the database is unavailable."""


class FormRefusedError(Exception):
    """The request is refused. `fields` maps each field at fault to the reason."""

    def __init__(self, status: int, error: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.fields = fields or {}


class UnavailableError(Exception):
    """The database did not confirm the recording: it failed, or its outcome is unknown. Sending again is safe."""


def answer(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a JSON response."""
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json", headers=headers or {}
    )


def refused(error: FormRefusedError) -> web.Response:
    """Return the response to a refused request."""
    return answer(error.status, {"error": error.error, **({"fields": error.fields} if error.fields else {})})


def unavailable() -> web.Response:
    """Return the response while the database is unavailable."""
    message = "temporarily unavailable; nothing is lost if you send the request again"
    return answer(503, {"error": message}, {"Retry-After": str(RETRY_SECONDS)})

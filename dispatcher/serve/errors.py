"""What a request may be answered with instead of a recorded conversion: JSON that names fields and never quotes a value.

{"error": "some fields cannot be used", "fields": {"email": "missing"}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

RETRY_SECONDS = 5
"""What `Retry-After` says while the database is away."""


class RefusedError(Exception):
    """The request cannot be taken; `fields` says of which of its fields, and why."""

    def __init__(self, status: int, error: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.fields = fields or {}


class UnavailableError(Exception):
    """The database did not take it: nothing was recorded, or nobody knows. Sending it again is safe, and right."""


def answer(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> web.Response:
    """Give a JSON answer."""
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json", headers=headers or {}
    )


def refused(error: RefusedError) -> web.Response:
    """Give the answer to a request that cannot be taken."""
    return answer(error.status, {"error": error.error, **({"fields": error.fields} if error.fields else {})})


def unavailable() -> web.Response:
    """Give the answer while the database is away."""
    says = "this cannot be recorded now; nothing is lost if you send it again"
    return answer(503, {"error": says}, {"Retry-After": str(RETRY_SECONDS)})

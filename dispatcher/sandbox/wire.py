"""The transport beneath both destinations: reading bodies that may be hostile, and resetting connections."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

__all__ = ["MAX_BODY", "NotJsonError", "connected", "parse", "raw", "read", "reset", "wait"]

MAX_BODY = 8 * 1024 * 1024

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class NotJsonError(Exception):
    """The body is not JSON, or nested too deeply to be read."""


async def read(request: web.Request) -> bytes | None:
    """Return the decompressed body, empty if it cannot be decompressed, or None once it exceeds MAX_BODY.

    Raise ConnectionError if the sender disconnected before its end.
    """
    if (request.content_length or 0) > MAX_BODY:
        return None
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return None
    except (web.RequestPayloadError, HttpProcessingError):
        return b""


def parse(body: bytes) -> Any:
    """Return the JSON value of a body. Raise NotJsonError; NaN, infinities and lone surrogates are not JSON."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError, ValueError):
        raise NotJsonError from None


def raw(value: Any) -> msgspec.Raw:
    """Return a value as compact JSON, which the garbage collector does not have to traverse."""
    try:
        return msgspec.Raw(_encode(value))
    except (RecursionError, ValueError):
        return msgspec.Raw(b'"(cannot be shown)"')


def reset(request: web.Request) -> web.StreamResponse:
    """End the connection with a TCP reset. aiohttp needs the returned response but cannot send it."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response(status=500)


def connected(request: web.Request) -> bool:
    """Return whether the sender is still connected, as far as the network has reported."""
    return request.transport is not None and not request.transport.is_closing()


async def wait(stopping: asyncio.Event, seconds: float) -> None:
    """Wait, but no longer than the sandbox runs."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)

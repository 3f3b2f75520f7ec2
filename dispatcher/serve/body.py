"""Reads the fields of a submitted form as strings, from a body of limited size.

application/x-www-form-urlencoded   as a browser sends a form
multipart/form-data                 the same, or `new FormData(form)`; files are refused
application/json                    an object of strings, numbers, booleans, and lists of these
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from dispatcher.request_headers import content_of
from dispatcher.serve.errors import FormRefusedError

MAX_BODY = 64 * 1024
MAX_FIELDS = 200
MAX_NAME = 100  # characters of a field's name
READ_SECONDS = 15
"""How long the whole body may take. A slower client only occupies a connection."""

Fields = dict[str, list[str]]
"""The values of each non-empty field, in the order in which they were sent."""

# The accepted charsets. A client must never choose an arbitrary Python codec.
_CHARSETS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "ascii": "utf-8",
    "iso-8859-1": "cp1252", "latin1": "cp1252", "windows-1252": "cp1252",
}  # fmt: skip
_DISPOSITION = re.compile(rb"^content-disposition:(.*)$", re.IGNORECASE | re.MULTILINE)
_PARAMETER = re.compile(rb';\s*(name|filename\*?)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s;"]*))', re.IGNORECASE)


async def read_fields(request: web.Request) -> Fields:
    """Return the fields of a form. Raise `FormRefusedError` if the body is not a form."""
    content = content_of(request)
    charset = _CHARSETS.get((content.charset or "utf-8").lower())
    if charset is None or request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FormRefusedError(415, "send UTF-8 without compression")
    body = await read_body(request, MAX_BODY)
    if not body:
        return {}
    match content.media_type:
        case "application/x-www-form-urlencoded":
            pairs: Iterator[tuple[str, str]] = _urlencoded(body, charset)
        case "multipart/form-data":
            pairs = _multipart(body, content.boundary or "", charset)
        case "application/json":
            pairs = _json(body)
        case _:
            raise FormRefusedError(
                415, "send application/x-www-form-urlencoded, multipart/form-data or application/json"
            )
    fields: Fields = {}
    for count, (name, value) in enumerate(pairs):
        if count == MAX_FIELDS:
            raise FormRefusedError(400, f"more than {MAX_FIELDS} fields")
        if value.strip() and 0 < len(name) <= MAX_NAME:
            fields.setdefault(name, []).append(value)
    return fields


async def read_body(request: web.Request, limit: int) -> bytes:
    """Return the body. Raise `FormRefusedError` as soon as it exceeds `limit` bytes or takes too long."""
    too_large = FormRefusedError(413, f"larger than {limit // 1024} kB")
    if (request.content_length or 0) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise too_large
    except TimeoutError as error:
        raise FormRefusedError(408, "the body did not arrive in time") from error
    except web.RequestPayloadError as error:
        raise FormRefusedError(400, "the body cannot be read") from error
    return bytes(body)


def _urlencoded(body: bytes, charset: str) -> Iterator[tuple[str, str]]:
    try:
        text = body.decode(charset, "replace")
        yield from parse_qsl(text, encoding=charset, errors="replace", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise FormRefusedError(400, f"more than {MAX_FIELDS} fields") from error


def _multipart(body: bytes, boundary: str, charset: str) -> Iterator[tuple[str, str]]:
    """Return the fields of a multipart body (RFC 7578). It is small and in memory, so it is simply split at its boundary."""
    if not 0 < len(boundary) <= 200 or not boundary.isascii():
        raise FormRefusedError(400, "the multipart body has no boundary")
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if not parts or not parts[-1].startswith(b"--"):
        raise FormRefusedError(400, "the multipart body is incomplete")
    for part in parts[:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        disposition = _DISPOSITION.search(head)
        parameters = {
            key.lower(): re.sub(rb"\\(.)", rb"\1", quoted) or plain
            for key, quoted, plain in _PARAMETER.findall(disposition[1] if disposition else b"")
        }
        name = parameters.get(b"name", b"").decode("utf-8", "replace")
        if content and (b"filename" in parameters or b"filename*" in parameters):
            raise FormRefusedError(415, "files are not accepted", {name[:MAX_NAME]: "is a file"})
        yield name, content.decode(charset, "replace")


def _json(body: bytes) -> Iterator[tuple[str, str]]:
    try:
        sent = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormRefusedError(400, "not JSON") from error
    if not isinstance(sent, dict):
        raise FormRefusedError(400, "expected a JSON object of fields")
    for name, value in sent.items():
        for one in value if isinstance(value, list) else [value]:
            if one is None:
                continue
            if not isinstance(one, str | int | float):
                problem = "expected a string, a number or a boolean"
                raise FormRefusedError(422, "some fields are invalid", {name[:MAX_NAME]: problem})
            yield name, str(one).lower() if isinstance(one, bool) else str(one)

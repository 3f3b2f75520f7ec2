"""Signing in with the token, and signing out."""

from __future__ import annotations

import re

from aiohttp import web

from dispatcher.console.access import COOKIE, SESSION_SECONDS, AccessRefusedError, check_origin
from dispatcher.console.rendering import render
from dispatcher.console.request import Console, ConsoleRequest, read_form

_OUR_PATH = re.compile(r"/(events|people|dead|quality|destinations|events/[0-9]{1,18})?")


def ask(request: web.Request, problem: AccessRefusedError | None = None) -> web.Response:
    """Return the page that asks for the token."""
    response = render(
        "sign_in.html",
        status=problem.status if problem else 401,
        is_live=False,
        viewer=None,
        path="",
        next=_our_path(request.path),
        problem=problem.message if problem else None,
    )
    if problem and problem.wait:
        response.headers["Retry-After"] = str(problem.wait)
    elif response.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="conversion-outbox"'
    return response


async def sign_in(console: Console, request: web.Request) -> web.Response:
    """Check the token, start a session, and redirect to the page that was requested."""
    check_origin(request)
    form = await read_form(request)
    cookie = console.access.sign_in(form.get("token", ""), request)
    response = web.Response(status=303, headers={"Location": _our_path(form.get("next", "/"))})
    is_https = request.secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"
    response.set_cookie(
        COOKIE, cookie, max_age=SESSION_SECONDS, path="/", httponly=True, samesite="Strict", secure=is_https
    )
    return response


async def sign_out(request: ConsoleRequest) -> web.Response:
    """End the session by deleting its cookie."""
    response = web.Response(status=303, headers={"Location": "/"})
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
    request.log_action("sign out")
    return response


def _our_path(path: str) -> str:
    """Return `path` if it is one of our pages, else the overview, so that a redirect never leads elsewhere."""
    return path if _OUR_PATH.fullmatch(path) else "/"

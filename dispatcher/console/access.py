"""Who may view the console, and who may act.

| `OUTBOX_CONSOLE_TOKEN` | may view pages | may act |
|---|---|---|
| set | anyone who signed in with it (cookie) or sends it (`Authorization: Bearer`) | the same, from our own pages |
| not set | anyone on this machine: a loopback peer, a loopback host name, and no proxy in between | nobody |

The cookie contains a random session name and its HMAC under the token: it proves knowledge of the token without
containing it. The host name is checked because a public name may resolve to 127.0.0.1 (DNS rebinding), and a page from
there could otherwise read ours. A proxy on this machine that uses a loopback host name and adds no forwarding headers
looks the same as a local user, so a token is needed behind a proxy.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256
from ipaddress import ip_address
from math import ceil
from time import time
from urllib.parse import urlsplit

import msgspec
import structlog
from aiohttp import web

from dispatcher.config.settings import Secret
from dispatcher.console.login_throttle import LoginThrottle
from dispatcher.request_headers import LONGEST

log = structlog.get_logger()

COOKIE = "outbox_console"
SESSION_SECONDS = 12 * 3600
PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")

SET_A_TOKEN = "Set OUTBOX_CONSOLE_TOKEN to a secret of your choice and restart, then sign in with it."  # noqa: S105
NOT_LOCAL = f"Without a token, the console is available only on the machine that it runs on. {SET_A_TOKEN}"
NO_ACTIONS = f"Without a token, the console is read-only. {SET_A_TOKEN}"
NOT_OURS = "This request did not come from a page of this console. Go back, reload the page, and try again."


class Viewer(msgspec.Struct, frozen=True):
    """Who views a page. `session`: a random name of the session, for the log. `csrf`: the token that forms must carry."""

    session: str
    may_act: bool
    csrf: str = ""

    @property
    def can_sign_out(self) -> bool:
        """Whether the viewer signed in with a cookie."""
        return bool(self.csrf)


LOCAL = Viewer("local", may_act=False)
BEARER = Viewer("bearer", may_act=True)


class AccessRefusedError(Exception):
    """The request is refused. `message` says why and what to do; `wait`: seconds until another try is allowed."""

    def __init__(self, status: int, message: str, *, wait: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.wait = ceil(wait)


class SignInError(Exception):
    """The viewer has to sign in first."""


class Access:
    """The access rules for one token."""

    def __init__(self, token: Secret) -> None:
        self._token = token.reveal().encode()
        self._key = hmac.digest(self._token, b"outbox console", sha256) if token else b""
        self._throttle = LoginThrottle()

    def viewer(self, request: web.Request) -> Viewer:
        """Return the viewer of a request. Raise `SignInError` or `AccessRefusedError`."""
        if not self._token:
            if not is_local(request):
                raise AccessRefusedError(403, NOT_LOCAL)
            return LOCAL
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self._check(given.strip(), request)
            return BEARER
        return self._from_cookie(request.cookies.get(COOKIE, ""))

    def sign_in(self, given: str, request: web.Request) -> str:
        """Return the cookie of a new session if `given` is the token. Raise `AccessRefusedError` otherwise."""
        self._check(given, request)
        session = f"{secrets.token_hex(8)}.{int(time()) + SESSION_SECONDS}"
        return f"{session}.{self._proof('session', session)}"

    def check_action(self, request: web.Request, viewer: Viewer, form: Mapping[str, str]) -> None:
        """Raise `AccessRefusedError` unless `viewer` may act and the form was sent from one of our pages."""
        if not viewer.may_act:
            raise AccessRefusedError(403, NO_ACTIONS)
        # A page of another site cannot send the Authorization header, nor read our forms.
        if viewer is not BEARER and not _is_same(form.get("csrf", ""), viewer.csrf):
            raise AccessRefusedError(403, NOT_OURS)
        check_origin(request)

    def _check(self, given: str, request: web.Request) -> None:
        peer = request.remote or ""
        if wait := self._throttle.wait(peer):
            raise AccessRefusedError(429, f"Too many wrong tokens. Try again in {ceil(wait)} s.", wait=wait)
        if not self._token or not _is_same(given, self._token.decode()):
            log.warning("wrong console token", times=self._throttle.record(peer))
            raise AccessRefusedError(401, "This token does not match OUTBOX_CONSOLE_TOKEN.")
        self._throttle.forget(peer)

    def _from_cookie(self, cookie: str) -> Viewer:
        session, _, proof = cookie.rpartition(".")
        name, _, expires = session.partition(".")
        is_ours = _is_same(proof, self._proof("session", session))
        if not is_ours or not expires.isdecimal() or int(expires) < time():
            raise SignInError
        return Viewer(name, may_act=True, csrf=self._proof("form", session))

    def _proof(self, purpose: str, session: str) -> str:
        return hmac.new(self._key, f"{purpose} {session}".encode(), sha256).hexdigest()


def check_origin(request: web.Request) -> None:
    """Raise `AccessRefusedError` if a page of another origin sent the request. A client that sends no Origin is no browser."""
    origin = request.headers.get("Origin")
    if origin is not None and _netloc(origin) != request.headers.get("Host", "").lower():
        raise AccessRefusedError(403, NOT_OURS)
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise AccessRefusedError(403, NOT_OURS)


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin[:LONGEST]).netloc.lower()
    except ValueError:
        return None


def is_local(request: web.Request) -> bool:
    """Return True if a request comes directly from this machine and uses a loopback host name."""
    if any(name in request.headers for name in PROXY_HEADERS):
        return False
    return _is_loopback(request.remote or "") and _names_loopback(request.headers.get("Host", ""))


def _names_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host[:LONGEST]}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())

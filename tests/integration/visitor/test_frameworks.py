"""The same request through each framework's real server returns the same visitor as the plain call."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Request as FlaskRequest
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import EnvironBuilder

import outbox
from tests.support.sites import apps, django_site, seen, servers

NOW = datetime(2026, 5, 24, 10, 0, 0, 123_000, tzinfo=UTC)
EVENT_ID = "35009a79-1a05-49d7-b876-2b884d0f825b"
FBP = "fb.1.1596403881668.1116446470"
FBCLID = "IwAR2F4-dbP0l7Mn1"
FBC = f"fb.1.1554763741205.{FBCLID}.AQQAAQEA"
GA = "GA1.1.286403989.1366364567"
STREAM = "G-XLHMXGR17M"
COOKIES = (
    f"_ga={GA}; _ga_XLHMXGR17M=GS2.1.s1748934661$o208$g1; _ga_OTHER=GS1.1.1.1; _fbp={FBP}; _fbc={FBC}; handlID=1432"
)
LANDED = urlencode({"fb_event_id": EVENT_ID, "fbp": FBP, "fbclid": FBCLID, "utm_source": "fb", "fb_loc": "hero"})
BOUNDARY = "----outbox"


@dataclass(frozen=True)
class Sent:
    """A request as sent over the wire. Text headers are encoded as UTF-8."""

    case: str
    query: str | bytes = ""
    headers: tuple[tuple[str, str | bytes], ...] = ()
    form: tuple[tuple[str, str], ...] | None = None
    multipart: bool = False
    host: str = "127.0.0.1"
    options: dict[str, Any] = field(default_factory=dict)

    def body(self) -> tuple[str, bytes]:
        """Return the type and bytes of the body."""
        if not self.multipart:
            return "application/x-www-form-urlencoded", urlencode(self.form or ()).encode()
        parts = [(f'name="{name}"', value) for name, value in self.form or ()]
        parts.append(('name="fb_event_id"; filename="a.txt"\r\nContent-Type: text/plain', "a file"))
        lines = [f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n" for head, value in parts]
        return f"multipart/form-data; boundary={BOUNDARY}", "".join([*lines, f"--{BOUNDARY}--\r\n"]).encode()

    def plain(self) -> outbox.Visitor:
        """Return the result of the plain call for it."""
        headers: dict[str, str] = {"Host": "crm.encycam.com"}
        for name, value in self.headers:
            text = value.decode("latin-1") if isinstance(value, bytes) else value
            headers[name] = f"{headers[name]}, {text}" if name in headers else text
        form: dict[str, list[str]] = {}
        for name, value in self.form or ():
            form.setdefault(name, []).append(value)
        query = self.query.decode() if isinstance(self.query, bytes) else self.query
        given = {"remote": self.host, "form": form, "now": NOW, **self.options}
        return outbox.Visitor.from_request(headers=headers, query=query, **given)


def bytes_of(text):
    return text if isinstance(text, bytes) else text.encode()


def send(ports, path, sent):
    """Send a request; return the body of the response."""
    kind, body = sent.body()
    lines = [b"POST %s?%s HTTP/1.1" % (path.encode(), bytes_of(sent.query)), b"Host: crm.encycam.com"]
    lines += [b"%s: %s" % (name.encode(), bytes_of(value)) for name, value in sent.headers]
    lines += [b"Connection: close", b"Content-Type: " + kind.encode(), b"Content-Length: %d" % len(body)]
    with socket.create_connection((sent.host, ports[sent.host]), timeout=20) as connection:
        return answer(connection, b"\r\n".join([*lines, b"", body]))


def answer(connection, request):
    connection.sendall(request)
    with HTTPResponse(connection) as response:
        response.begin()
        assert response.status == 200
        return response.read()


REQUESTS = [
    Sent("nothing"),
    Sent("all in the query", query=LANDED),
    Sent("all in cookies", headers=(("Cookie", COOKIES),), options={"ga_stream": STREAM}),
    Sent(
        "cookies as scripts write them",
        headers=(("Cookie", f'utm_source=Fr%C3%BChling; _fbp="{FBP}"; _ga=junk; _ga={GA}; broken; utm_term=a,b'),),
    ),
    Sent("cookies in UTF-8", headers=(("Cookie", f"utm_source=Frühling; utm_campaign=日本; _fbp={FBP}"),)),
    Sent("cookies in Latin-1", headers=(("Cookie", "utm_source=Frühling; handlID=1".encode("latin-1")),)),
    Sent(
        "hidden fields come before the query",
        query="fb_event_id=other&fbp=fb.1.1.1&utm_source=query&utm_medium=query",
        form=(("fb_event_id", EVENT_ID), ("fbp", FBP), ("utm_source", "form"), ("email", "ada@example.com")),
    ),
    Sent(
        "a field that is there twice",
        form=(("fbp", ""), ("fbp", "junk"), ("fbp", FBP), ("utm_source", "Frühling & more"), ("utm_source", "2")),
    ),
    Sent("fields beside a file", form=(("fbp", FBP), ("utm_source", "Frühling")), multipart=True),
    Sent("a parameter that is there twice", query=f"fbp=undefined&fbp={FBP}&utm_source=&utm_source=a&utm_source=b"),
    Sent(
        "a query in odd encodings",
        query="utm_source=caf%C3%A9+%26+bar&utm_medium=%E9&utm_term=%zz%&utm_content=a%00b;c&&=&fb_loc=%F0%9F%9A%80",
    ),
    Sent(
        "the page's own address",
        headers=(("Referer", f"https://crm.encycam.com/forms/lead?{LANDED}&email=ada%40example.com"),),
        query="fb_source=own-it",
        form=(("document_referrer", "https://l.facebook.com/"),),
    ),
    Sent("a Referer in UTF-8", headers=(("Referer", "https://crm.encycam.com/fräsen?utm_source=größe"),)),
    Sent("a page given", headers=(("Referer", "https://a.example/"),), options={"url": f"https://b.example/?{LANDED}"}),
    Sent("a user agent in UTF-8", headers=(("User-Agent", "Größe/1.0"),)),
    Sent("a user agent in Latin-1", headers=(("User-Agent", b"Gr\xf6\xdfe/1.0"),)),
    Sent("a proxy", headers=(("X-Forwarded-For", "6.6.6.6, 8.8.8.8, 10.0.0.1"),)),
    Sent("a proxy, IPv6", headers=(("X-Forwarded-For", "6.6.6.6, [2001:db8::7]:4711"),), host="::1"),
    Sent("proxies that each add a line", headers=(("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "8.8.8.8"))),
    Sent("Cloudflare", headers=(("CF-Connecting-IP", "2001:db8::9"), ("X-Forwarded-For", "8.8.8.8"))),
    Sent("a proxy that is not trusted", headers=(("X-Forwarded-For", "6.6.6.6"),), options={"trusted_proxies": ()}),
    Sent("a client over IPv6", host="::1", options={"trusted_proxies": ()}),
    Sent("a header with underscores", headers=(("X_Forwarded_For", "6.6.6.6"),)),
    Sent("a proxy named", headers=(("X-Real-IP", "8.8.8.8"),), options={"ip_headers": ("x-real-ip",)}),
    Sent("an address given", headers=(("X-Forwarded-For", "8.8.8.8"),), options={"remote": "9.9.9.9"}),
    Sent("consent that was forwarded", form=(("ad_user_data", "denied"), ("ad_personalization", "GRANTED"))),
    Sent("consent given", query="ad_user_data=granted", options={"consent": {"ad_user_data": "denied"}}),
]

FRAMEWORKS = {
    "aiohttp": (lambda: servers.aiohttp(apps.aiohttp_site()), "/form"),
    "starlette": (lambda: servers.asgi(apps.starlette_site(), proxy_headers=False), "/form"),
    "fastapi": (lambda: servers.asgi(apps.fastapi_site(), proxy_headers=False), "/form"),
    "fastapi async": (lambda: servers.asgi(apps.fastapi_site(), proxy_headers=False), "/async-form"),
    "flask": (lambda: servers.wsgi(apps.flask_site()), "/form"),
    "django": (lambda: servers.wsgi(django_site.wsgi), "/form"),
    "django asgi": (lambda: servers.asgi(django_site.asgi, proxy_headers=False), "/form"),
    "django asgi async": (lambda: servers.asgi(django_site.asgi, proxy_headers=False), "/async-form"),
}


@pytest.fixture(scope="module", params=FRAMEWORKS)
def site(request):
    """A site's ports, and the path of its form."""
    serve, path = FRAMEWORKS[request.param]
    with serve() as ports:
        yield ports, path


@pytest.mark.parametrize("sent", REQUESTS, ids=lambda sent: sent.case)
def test_the_visitor_is_that_of_the_plain_call(site, sent):
    ports, path = site
    seen.expect(now=NOW, **sent.options)
    send(ports, path, sent)
    assert seen.seen() == [sent.plain()]


def test_the_table_lists_every_field_of_a_visitor():
    visitors = [sent.plain() for sent in REQUESTS]
    for name in ("ip", "user_agent", "fbp", "fbc", "fbclid", "fbclid_at", "ga_client_id", "ga_session_id", "url",
                 "referrer", "event_id", "handl_id", "campaign", "consent", "notes"):  # fmt: skip
        assert any(getattr(visitor, name) for visitor in visitors), name
    assert "6.6.6.6" not in {visitor.ip for visitor in visitors}
    assert {"8.8.8.8", "9.9.9.9", "2001:db8::7", "2001:db8::9"} <= {v.ip for v in visitors}
    assert {"127.0.0.1", "::1"}.isdisjoint({visitor.ip for visitor in visitors})


@pytest.mark.parametrize("multipart", [False, True])
def test_the_body_is_left_to_the_handler(site, multipart):
    ports, _ = site
    sent = Sent(
        "body", query=f"fbp={FBP}", form=(("fbp", "fb.1.1.1"), ("email", "ada@example.com")), multipart=multipart
    )
    seen.expect(now=NOW)
    assert send(ports, "/body", sent) == sent.body()[1]
    assert [visitor.fbp for visitor in seen.seen()] == [FBP]


@pytest.mark.parametrize(
    "serve",
    [
        lambda: servers.asgi(apps.starlette_site()),  # uvicorn's own default
        lambda: servers.asgi(django_site.asgi),
        lambda: servers.wsgi(ProxyFix(apps.flask_site())),
        lambda: servers.wsgi(ProxyFix(django_site.wsgi)),
    ],
    ids=["uvicorn starlette", "uvicorn django", "proxyfix flask", "proxyfix django"],
)
def test_a_server_that_reads_the_proxys_header_itself_changes_nothing(serve):
    sent = Sent("a proxy", headers=(("X-Forwarded-For", "6.6.6.6, 8.8.8.8"),))
    seen.expect(now=NOW)
    with serve() as ports:
        send(ports, "/form", sent)
    assert [visitor.ip for visitor in seen.seen()] == ["8.8.8.8"]


@pytest.mark.parametrize(
    "serve",
    [
        lambda path: servers.aiohttp(apps.aiohttp_site(), path),
        lambda path: servers.asgi_on_unix(apps.starlette_site(), path),
        lambda path: servers.asgi_on_unix(django_site.asgi, path),
    ],
    ids=["aiohttp", "starlette", "django asgi"],
)
def test_whoever_speaks_on_a_unix_socket_is_a_proxy_of_this_machine(serve, tmp_path):
    path = str(tmp_path / "socket")
    seen.expect(now=NOW)
    with serve(path), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        answer(connection, b"GET /form HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n")
    assert [visitor.ip for visitor in seen.seen()] == ["8.8.8.8"]


@pytest.mark.parametrize("address", ["", None])
def test_so_it_is_where_a_wsgi_server_gives_no_address(address):
    environ = EnvironBuilder(headers={"X-Forwarded-For": "8.8.8.8"}).get_environ() | {"REMOTE_ADDR": address}
    assert outbox.visitor_from_flask(FlaskRequest(environ)).ip == "8.8.8.8"
    assert outbox.visitor_from_django(django_site.request(environ)).ip == "8.8.8.8"


def test_fields_out_of_json_are_parameters_too():
    visitor = outbox.visitor_from_django(
        django_site.request(EnvironBuilder(method="POST").get_environ()),
        form={"fb_event_id": EVENT_ID, "handlID": 1432, "utm_source": ["a", "b"], "nested": {"fbp": FBP}},
    )
    assert (visitor.event_id, visitor.handl_id, visitor.fbp) == (EVENT_ID, "1432", None)
    assert visitor.campaign == outbox.Campaign(source="a")

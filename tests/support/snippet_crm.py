"""A small CRM in which the Python snippets of the pages run: its leads, sessions and requests, and Stripe's API."""

from __future__ import annotations

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import stripe
from django.http.request import HttpHeaders
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker
from sqlalchemy.pool import NullPool

import outbox
import outbox.stripe
from dispatcher.config.settings import sqlalchemy_url
from tests.support.stripe_events import NEW, SECRET, signed


class Base(DeclarativeBase):
    pass


class Lead(Base):
    __tablename__ = "lead"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    phone: Mapped[str]


class Crm:
    """Run the Python blocks of a page one after the other, with the names that a CRM would have."""

    def __init__(self, url):
        self._engine = create_engine(sqlalchemy_url(url), poolclass=NullPool)
        self._async_engine = create_async_engine(sqlalchemy_url(url), poolclass=NullPool)
        self._stripe = HTTPServer(("127.0.0.1", 0), _StripeApi)
        threading.Thread(target=self._stripe.serve_forever, daemon=True).start()
        stripe.api_key, self._api_base = "sk_test_x", stripe.api_base
        stripe.api_base = f"http://127.0.0.1:{self._stripe.server_port}"
        self._session = sessionmaker(self._engine)()
        payload, signature = signed(NEW.invoice_paid())
        meta = {"REMOTE_ADDR": "203.0.113.7", "HTTP_USER_AGENT": "Mozilla/5.0", "QUERY_STRING": "utm_source=x"}
        self._names = {
            "outbox": outbox, "stripe": stripe, "url": url,
            "Session": sessionmaker(self._engine), "AsyncSession": async_sessionmaker(self._async_engine),
            "session": self._session,
            "request": SimpleNamespace(META=meta, headers=HttpHeaders(meta), POST={"fb_event_id": "e-1"}),
            "visitor": outbox.Visitor(ip="203.0.113.7", handl_id="h-1"), "account": SimpleNamespace(id=17),
            "price_id": "price_1", "success_url": "https://www.example.com/", "WEBHOOK_SECRET": SECRET,
            "payload": payload, "signature": signature, "activate": lambda *_: None,
            "Response": lambda status: status,
        }  # fmt: skip
        self._calls = {
            "stripe_webhook": lambda function: function(
                SimpleNamespace(body=payload, headers={"Stripe-Signature": signature})
            ),
            "sign_in": lambda function: asyncio.run(self._await(function)),
        }

    async def _await(self, function):
        await function(self._names["account"], self._names["visitor"])
        await self._async_engine.dispose()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._session.close()
        stripe.api_base = self._api_base
        self._stripe.shutdown()
        self._stripe.server_close()
        self._engine.dispose()

    def run(self, block):
        names = self._names | {"lead": Lead(email="ada@example.com", phone="+357 96 123456"), "__name__": "docs"}
        before = set(names)
        exec(compile(block.text, repr(block), "exec"), names)
        for name in set(names) - before:
            if callable(names[name]) and getattr(names[name], "__module__", "") == "docs":
                assert name in self._calls, f"no test calls {name}"
                assert self._calls[name](names[name]) in {None, 200}


class _StripeApi(BaseHTTPRequestHandler):
    """Stripe's API for creating a Checkout Session; it accepts every request."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"id": "cs_test_1", "object": "checkout.session"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

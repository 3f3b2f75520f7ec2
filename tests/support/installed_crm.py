"""A CRM in its own environment, which records with every library that is installed there.

`tests/packaging` runs it as a program: it imports only the installed `outbox` of ours, reads
`{"url", "payload", "signature", "secret"}` (a database, and a Stripe webhook) from standard input, and writes the row id for
each library, and the versions it ran with.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.metadata import version
from urllib.parse import urlsplit

import django
import psycopg
import sqlalchemy
import stripe
from django.conf import settings
from django.db import connection as django_connection
from django.db import transaction
from django.test import RequestFactory
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

import outbox
import outbox.stripe
import schema


def lead(way: str, visitor: outbox.Visitor | None = None) -> outbox.LeadSubmitted:
    """Return a lead named after the library that records it."""
    person = outbox.Person(email=f"{way}@example.com", phone="+357 99 123456", country="Cyprus")
    return outbox.LeadSubmitted(lead_id=way, person=person, visitor=visitor)


def over_psycopg(url: str) -> int:
    with psycopg.connect(url) as connection:
        return outbox.record(connection, lead("psycopg"))


async def over_psycopg_async(url: str) -> int:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        return await outbox.record(connection, lead("psycopg-async"))


def over_sqlalchemy(url: str) -> int:
    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with Session(engine) as session, session.begin():
        return outbox.record(session, lead("sqlalchemy"))


async def over_sqlalchemy_async(url: str) -> int:
    engine = create_async_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    async with AsyncSession(engine) as session, session.begin():
        number = await outbox.record(session, lead("sqlalchemy-async"))
    await engine.dispose()
    return number


def over_django(url: str) -> int:
    parts = urlsplit(url)
    database = {
        "ENGINE": "django.db.backends.postgresql", "NAME": parts.path[1:], "USER": parts.username,
        "PASSWORD": parts.password, "HOST": parts.hostname, "PORT": parts.port,
    }  # fmt: skip
    settings.configure(DATABASES={"default": database}, ALLOWED_HOSTS=["*"])
    django.setup()
    visitor = outbox.visitor_from_django(RequestFactory().get("/?gclid=abc", headers={"User-Agent": "A browser"}))
    with transaction.atomic():
        return outbox.record(django_connection.connection, lead("django", visitor))


def over_stripe(url: str, payload: str, signature: str, secret: str) -> list[int]:
    with psycopg.connect(url) as connection:
        outcome = outbox.stripe.record(connection, payload.encode(), signature, secret=secret)
        event = stripe.Webhook.construct_event(payload, signature, secret)
        assert outbox.stripe.record_event(connection, event) == outcome, "the library's own object is another event"
        return outcome.ids


given = json.load(sys.stdin)
url = given.pop("url")
assert schema.Schema({"url": str}).validate({"url": url}), "schema is PyPI's"
ids = {
    "psycopg": over_psycopg(url),
    "psycopg-async": asyncio.run(over_psycopg_async(url)),
    "sqlalchemy": over_sqlalchemy(url),
    "sqlalchemy-async": asyncio.run(over_sqlalchemy_async(url)),
    "django": over_django(url),
    "stripe": over_stripe(url, **given)[0],
}
versions = {name: version(name) for name in ("django", "msgspec", "psycopg", "sqlalchemy", "stripe")}
json.dump({"ids": ids, "versions": versions, "outbox": outbox.__file__, "python": sys.version_info[:2]}, sys.stdout)

"""The CRM: business transactions that record conversions, in SQL and in Python, while everything fails."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

import outbox
from dispatcher.config.settings import sqlalchemy_url
from tests.faults.chaos.plan import Plan

SILENT = "signed_in"
NAMES = {
    "lead_submitted": 40,
    "trial_downloaded": 15,
    "account_created": 15,
    "trial_started": 10,
    "subscription_purchased": 8,
    "subscription_renewed": 4,
    "demo_requested": 4,
    "email_verified": 2,
    SILENT: 2,
}
MONEY = {"subscription_purchased", "subscription_renewed"}
ANONYMOUS = {"lead_submitted", "trial_downloaded", "demo_requested"}
EVENTS_A_CUSTOMER = 4
ROLLED_BACK = 0.05
"""The share of business transactions that fail after recording."""
SALE = "INSERT INTO sale (event_id) VALUES ({}) ON CONFLICT DO NOTHING"


class Conversion(NamedTuple):
    """A conversion of one customer, with their browser; an event with an account merges what was sent before."""

    event_id: str
    name: str
    handl_id: str
    account_id: str | None


class Transaction(NamedTuple):
    """One business transaction of a writer, no earlier than `at` seconds after the beginning."""

    at: float
    conversions: list[Conversion]
    is_rolled_back: bool


@dataclass
class Crm:
    """Two writers with a connection each. A broken connection is replaced and its transaction repeated with the same ids."""

    plan: Plan
    url: str
    repeated: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.transactions = {writer: list(transactions(self.plan, writer)) for writer in ("sql", "python")}

    def conversions(self, *, rolled_back: bool = False) -> dict[str, str]:
        """Return event id and name of every conversion that must be kept, or that was rolled back."""
        return {
            conversion.event_id: conversion.name
            for made in self.transactions.values()
            for transaction in made
            for conversion in transaction.conversions
            if transaction.is_rolled_back == rolled_back
        }

    def stop(self) -> None:
        """Stop before everything is recorded."""
        self._stop.set()

    def write(self, writer: str) -> None:
        """Record all transactions of one writer at their times."""
        began = time.monotonic()
        write = _Sql(self.url) if writer == "sql" else _Python(self.url)
        for transaction in self.transactions[writer]:
            self._stop.wait(max(0.0, began + transaction.at - time.monotonic()))
            while not self._stop.is_set():
                try:
                    write(transaction)
                    break
                except (psycopg.OperationalError, OperationalError, InterfaceError):
                    self.repeated += 1
                    self._stop.wait(0.2)
        write.close()


def transactions(plan: Plan, writer: str) -> Iterator[Transaction]:
    """Draw a writer's transactions: its half of the events, spread over the time of the disruptions."""
    rng = random.Random(f"{plan.seed} {writer}")
    numbers = range(plan.events // 2, plan.events) if writer == "python" else range(plan.events // 2)
    made, lost = 0, 0
    while made < len(numbers):
        at = plan.seconds * made / len(numbers)
        size = min(rng.randint(1, 20), len(numbers) - made)
        if rng.random() < ROLLED_BACK:
            gone = [_draw(rng, f"{writer}-lost-", number) for number in range(lost, lost + size)]
            yield Transaction(at, gone, is_rolled_back=True)
            lost += size
        else:
            kept = [_draw(rng, "e", number) for number in numbers[made : made + size]]
            yield Transaction(at, kept, is_rolled_back=False)
            made += size


def _draw(rng: random.Random, prefix: str, number: int) -> Conversion:
    (name,) = rng.choices(list(NAMES), list(NAMES.values()))
    customer = number // EVENTS_A_CUSTOMER
    account_id = None if name in ANONYMOUS else f"{prefix}account-{customer}"
    return Conversion(f"{prefix}{number:06}", name, f"{prefix}handl-{customer}", account_id)


class _Sql:
    """A writer in any language: a plain connection, the SQL function, unsealed persons."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection | None = None

    def __call__(self, transaction: Transaction) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._url, connect_timeout=5)
        with self._connection.transaction(force_rollback=transaction.is_rolled_back):
            for conversion in transaction.conversions:
                self._connection.execute(SALE.format("%s"), (conversion.event_id,))
            events = [self._event(conversion) for conversion in transaction.conversions]
            if len(events) > 5:
                self._connection.execute("SELECT outbox.record_many(%s)", (json.dumps(events),))
            else:
                for event in events:
                    self._connection.execute("SELECT outbox.record(%s)", (json.dumps(event),))

    @staticmethod
    def _event(conversion: Conversion) -> dict[str, Any]:
        event_id, name, handl_id, account_id = conversion
        money = {"value": 49.5, "currency": "EUR", "order_id": f"order-{event_id}"} if name in MONEY else {}
        return {
            "name": name,
            "event_id": event_id,
            "handl_id": handl_id,
            "account_id": account_id,
            "person": {"email": f"{event_id}@example.com", "first_name": "Ada", "country": "cy"},
            "visitor": {"ip": "203.0.113.7", "user_agent": "Mozilla/5.0", "url": "https://shop.example/"},
            "details": {"form": "lead-form", **money},
        }

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class _Python:
    """A CRM in Python: SQLAlchemy, typed conversions, persons sealed before they reach the database."""

    def __init__(self, url: str) -> None:
        self._engine: Engine = create_engine(sqlalchemy_url(url), connect_args={"connect_timeout": 5})

    def __call__(self, transaction: Transaction) -> None:
        with Session(self._engine) as session:
            for conversion in transaction.conversions:
                session.execute(text(SALE.format(":event_id")), {"event_id": conversion.event_id})
            outbox.record(session, [self._conversion(*conversion) for conversion in transaction.conversions])
            if transaction.is_rolled_back:
                session.rollback()
            else:
                session.commit()

    @staticmethod
    def _conversion(event_id: str, name: str, handl_id: str, account_id: str | None) -> outbox.Conversion:
        money = {"value": 99, "currency": "EUR", "order_id": f"order-{event_id}"} if name in MONEY else {}
        return outbox.Conversion(
            name=name,
            event_id=event_id,
            handl_id=handl_id,
            account_id=account_id,
            person=outbox.Person(email=f"{event_id}@example.com", phone="+35799123456"),
            details=money,
        )

    def close(self) -> None:
        self._engine.dispose()

"""The CRM's own tables, in their own PostgreSQL schema: the rows that a handler writes together with a conversion.

Raw personal data is stored here, as in any CRM, and nowhere else.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from secrets import token_urlsafe
from uuid import uuid4

from sqlalchemy import DateTime, ForeignKey, MetaData, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column
from sqlalchemy.schema import CreateSchema

import outbox

SCHEMA = "crm"


def _now() -> datetime:
    return datetime.now(UTC)


def _id() -> str:
    return str(uuid4())


class Base(MappedAsDataclass, DeclarativeBase, repr=False, kw_only=True):
    """A row of the CRM. Its id is generated here, so that a conversion can refer to the row before either is written."""

    metadata = MetaData(schema=SCHEMA)


class Contact(MappedAsDataclass, repr=False, kw_only=True):
    """The personal data in a form."""

    email: Mapped[str]
    first_name: Mapped[str]
    last_name: Mapped[str]
    phone: Mapped[str] = mapped_column(default="")
    city: Mapped[str] = mapped_column(default="")
    postal_code: Mapped[str] = mapped_column(default="")
    country: Mapped[str] = mapped_column(default="")

    def person(self) -> outbox.Person:
        """Return the person as the outbox takes them."""
        return outbox.Person(
            email=self.email,
            first_name=self.first_name,
            last_name=self.last_name,
            phone=self.phone,
            city=self.city,
            postal_code=self.postal_code,
            country=self.country,
        )


class Lead(Contact, Base):
    """A person who submitted a form."""

    __tablename__ = "crm_lead"

    id: Mapped[str] = mapped_column(primary_key=True, init=False, default_factory=_id)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), init=False, default_factory=_now)
    form: Mapped[str]
    handl_id: Mapped[str | None]
    category: Mapped[str] = mapped_column(default="")


class CrmAccount(Contact, Base):
    """A person who can sign in. `token` is part of the link in the verification mail."""

    __tablename__ = "crm_account"

    id: Mapped[str] = mapped_column(primary_key=True, init=False, default_factory=_id)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), init=False, default_factory=_now)
    email: Mapped[str] = mapped_column(unique=True)
    token: Mapped[str] = mapped_column(init=False, default_factory=token_urlsafe)
    handl_id: Mapped[str | None]
    first_login_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), init=False, default=None)
    verified_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), init=False, default=None)


class Order(Base):
    """A paid subscription."""

    __tablename__ = "crm_order"

    id: Mapped[str] = mapped_column(primary_key=True, init=False, default_factory=_id)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), init=False, default_factory=_now)
    account_id: Mapped[str] = mapped_column(ForeignKey(CrmAccount.id))
    plan: Mapped[str]
    amount: Mapped[Decimal]
    currency: Mapped[str]


async def create_tables(engine: AsyncEngine) -> None:
    """Create the CRM's schema and tables."""
    async with engine.begin() as connection:
        await connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        await connection.run_sync(Base.metadata.create_all)


async def newest_lead(session: AsyncSession, handl_id: str | None) -> Lead | None:
    """Return the last lead of a browser."""
    return await session.scalar(select(Lead).where(Lead.handl_id == handl_id).order_by(Lead.at.desc()).limit(1))


async def newest_account(session: AsyncSession, handl_id: str | None) -> CrmAccount | None:
    """Return the last account created in a browser."""
    return await session.scalar(
        select(CrmAccount).where(CrmAccount.handl_id == handl_id).order_by(CrmAccount.at.desc()).limit(1)
    )


async def newest_order(session: AsyncSession, account_id: str) -> Order | None:
    """Return the last order of an account."""
    return await session.scalar(select(Order).where(Order.account_id == account_id).order_by(Order.at.desc()).limit(1))


async def account_by_email(session: AsyncSession, email: str) -> CrmAccount | None:
    """Return the account of an e-mail address, locked, so that of two concurrent logins only one is the first."""
    return await session.scalar(select(CrmAccount).where(CrmAccount.email == email.lower()).with_for_update())

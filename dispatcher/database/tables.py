"""The tables of the PostgreSQL schema `outbox`, as they are declared; migrations bring a database here.

    log       event, revision, attempt, receipt     immutable facts, the truth
    queue     intake, delivery, merge               only what is still pending; inserted and deleted, never updated
    lease     what one dispatcher holds right now
    raw       persons that a SQL writer sent raw, until intake seals them
    identity  fragment, fragment_event, sign_in      a projection: the log folded by the keys that events carry
    routing   step, destination, route              the funnel, and what the operator switches
    upkeep    erasure, leader                       that somebody was erased; which dispatcher runs the schedule
    counts    delivery_count, field_coverage        what pages and alerts read, so that none of them scans a log
    state     dispatcher, destination_state, alert  who is running, how each destination stands, what was alerted
    stripe    stripe_payment, _invoice, _free       what one of Stripe's events must know of those before it

`losses`: how many workers were lost, or batches failed, while they worked on a row; it is then claimed in ever smaller parts.

Columns stand widest first (8-byte, 4-byte, 2-byte, then what varies), so that no padding is stored.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, JSONB

SCHEMA = "outbox"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
    },
)

_NOW = text("outbox.clock()")
_EMPTY = text("'{}'::jsonb")

# A queue's rows live for seconds and leave dead versions behind: vacuum by count and at once, not by share of a table
# that is empty most of the time (queues.md 2.3, 6).
_QUEUE = {
    "autovacuum_vacuum_scale_factor": "0",
    "autovacuum_vacuum_threshold": "5000",
    "autovacuum_vacuum_cost_delay": "0",
    "autovacuum_analyze_scale_factor": "0",
    "autovacuum_analyze_threshold": "50000",
}


def _time(name: str, *, nullable: bool = False, now: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=_NOW if now else None)


step = Table(
    "step",
    metadata,
    Column("name", Text, primary_key=True),
    Column("action_source", Text),
    Column("browser_pair", Boolean, nullable=False, server_default=text("false")),
    Column("value", Numeric),
    Column("currency", Text),
    comment="The funnel: what may be recorded, and what holds for it at every destination",
)

destination = Table(
    "destination",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("name"),
    CheckConstraint("id > 0", name="id"),
    comment="Where conversions are delivered; paused: deliveries wait; not enabled: skipped, no backlog later",
)

mapping = Table(
    "route",
    metadata,
    Column("destination", SmallInteger, ForeignKey(destination.c.id), nullable=False),
    Column("step", Text, ForeignKey(step.c.name), nullable=False),
    Column("event_name", Text, nullable=False),
    Column("parameters", JSONB, nullable=False, server_default=_EMPTY),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("destination", "step"),
    comment="How a step is sent to a destination",
)

event = Table(
    "event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _time("occurred_at", now=True),
    _time("recorded_at", now=True),
    Column("name", Text, nullable=False),
    Column("event_id", Text, nullable=False, server_default=text("gen_random_uuid()::text")),
    Column("handl_id", Text),
    Column("lead_id", Text),
    Column("account_id", Text),
    Column("sealed", JSONB),
    Column("visitor", JSONB),
    Column("campaign", JSONB),
    Column("details", JSONB),
    Column("consent", JSONB),
    Column("notes", ARRAY(Text)),
    UniqueConstraint("name", "event_id"),
    comment="The log of conversions; a row changes only when its person is sealed or erased",
)

raw = Table(
    "raw",
    metadata,
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("person", JSONB, nullable=False),
    postgresql_with=_QUEUE,
    comment="A person as a SQL writer sent it; deleted by the statement that writes the sealed form",
)

intake = Table(
    "intake",
    metadata,
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("losses", SmallInteger, nullable=False, server_default=text("0")),
    postgresql_with=_QUEUE,
    comment="What every event needs first: sealing, folding into identity, fan-out",
)

delivery = Table(
    "delivery",
    metadata,
    _time("due_at"),
    Column("event_id", BigInteger, nullable=False),
    _time("first_unknown_at", nullable=True),
    Column("destination", SmallInteger, nullable=False),
    Column("revision", SmallInteger, nullable=False, server_default=text("0")),
    Column("tries", SmallInteger, nullable=False, server_default=text("0")),
    Column("losses", SmallInteger, nullable=False, server_default=text("0")),
    # The only index of what is ordinary, and the order of the claim: it moves to the right as time does, so a claim can start from where
    # the last one ended instead of walking over what is dead (measured.md, the low watermark).
    PrimaryKeyConstraint("destination", "due_at", "event_id", "revision"),
    postgresql_with=_QUEUE,
    comment="One event still pending for one destination",
)

# Rows that a process was lost over are few; ordinary ones cost these indexes nothing.
Index("intake_suspect", intake.c.losses, postgresql_where=intake.c.losses > 0)
Index("delivery_suspect", delivery.c.destination, delivery.c.losses, postgresql_where=delivery.c.losses > 0)

lease = Table(
    "lease",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _time("claimed_at", now=True),
    _time("expires_at"),
    Column("destination", SmallInteger),  # NULL: a lease of intake
    Column("losses", SmallInteger, nullable=False, server_default=text("0")),
    Column("holder", Text, nullable=False),
    Column("event_ids", ARRAY(BigInteger), nullable=False),
    Column("revisions", ARRAY(SmallInteger), nullable=False),
    Column("tries", ARRAY(SmallInteger), nullable=False),
    Column("first_unknown_ats", ARRAY(DateTime(timezone=True)), nullable=False),
    postgresql_with={"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "500"},
    comment="A batch that one process holds until a time (no destination: of intake); if it is gone, nothing settles",
)

revision = Table(
    "revision",
    metadata,
    Column("event_id", BigInteger, nullable=False),
    _time("decided_at", now=True),
    Column("destination", SmallInteger, nullable=False),
    Column("revision", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("event_id", "destination", "revision"),
    CheckConstraint("revision > 0", name="revision"),
    comment="A re-send or requeue that was decided, and why",
)

attempt = Table(
    "attempt",
    metadata,
    Column("event_id", BigInteger, nullable=False),
    _time("at", now=True),  # of an uncertain one: when it was sent, for the time in which it may be repeated
    Column("code", Integer),
    Column("subcode", Integer),
    Column("destination", SmallInteger, nullable=False),
    Column("revision", SmallInteger, nullable=False),
    Column("try", SmallInteger, nullable=False),
    Column("status", SmallInteger),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("trace", Text),
    PrimaryKeyConstraint("event_id", "destination", "revision", "try"),
    CheckConstraint("outcome IN ('transient', 'throttled', 'uncertain')", name="outcome"),
    comment="One try that did not end the delivery: codes only, no payload, no personal data",
)

receipt = Table(
    "receipt",
    metadata,
    Column("event_id", BigInteger, nullable=False),
    _time("at", now=True),
    Column("code", Integer),
    Column("subcode", Integer),
    Column("destination", SmallInteger, nullable=False),
    Column("revision", SmallInteger, nullable=False),
    Column("tries", SmallInteger, nullable=False),
    Column("status", SmallInteger),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("trace", Text),
    Column("account_id", Text),
    Column("sent", Text),
    PrimaryKeyConstraint("event_id", "destination", "revision"),
    CheckConstraint("outcome IN ('delivered', 'skipped', 'failed')", name="outcome"),
    comment="The end of a delivery; sent: the names of the fields, each identifier with a short digest: em:62a14e44 ph:1c0…",
)

# Dead letters are few: an index of them alone costs no other receipt anything.
Index(
    "receipt_failed",
    receipt.c.destination,
    receipt.c.event_id,
    receipt.c.revision,
    postgresql_include=["reason"],
    postgresql_where=receipt.c.outcome == "failed",
)

_KEY = text("''")  # an empty text: no such key. NULLs would not be equal to each other.

fragment = Table(
    "fragment",
    metadata,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("account_id", Text, nullable=False, server_default=_KEY),
    Column("handl_id", Text, nullable=False, server_default=_KEY),
    Column("lead_id", Text, nullable=False, server_default=_KEY),
    Column("groups", JSONB, nullable=False),
    PrimaryKeyConstraint("account_id", "handl_id", "lead_id"),
    # Updates touch nothing that is indexed and find room on their page.
    postgresql_with={"fillfactor": "80"},
    comment="The events that carry the same keys; groups: [time, id, fields] of those that told a field last",
)
Index("fragment_handl", fragment.c.handl_id, postgresql_where=fragment.c.handl_id != "")
Index("fragment_lead", fragment.c.lead_id, postgresql_where=fragment.c.lead_id != "")

fragment_event = Table(
    "fragment_event",
    metadata,
    Column("fragment_id", BigInteger, nullable=False),
    Column("event_id", BigInteger, nullable=False),
    PrimaryKeyConstraint("fragment_id", "event_id"),
    comment="The events of a fragment",
)

sign_in = Table(
    "sign_in",
    metadata,
    Column("at", BigInteger, nullable=False),
    Column("event_id", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("key", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    PrimaryKeyConstraint("kind", "key", "at", "event_id"),
    comment="Who signed in where and when: kind 2, a handlID; 3, a lead; at in microseconds since 1970",
)

merge = Table(
    "merge",
    metadata,
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    _time("due_at", now=True),
    postgresql_with=_QUEUE,
    comment="Events that tied keys together for the first time: what was sent before may have gained an identifier",
)

erasure = Table(
    "erasure",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _time("at", now=True),
    Column("events", Integer, nullable=False),
    comment="When somebody was forgotten, and how many events were theirs; no word of who",
)

leader = Table(
    "leader",
    metadata,
    _time("expires_at"),
    Column("role", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    comment="The one dispatcher that holds an office (schedule), until a time",
)

stripe_payment = Table(
    "stripe_payment",
    metadata,
    _time("received_at"),
    Column("payment", Text, primary_key=True),
    Column("order_id", Text),
    Column("customer", Text),
    Column("refunded", INT8MULTIRANGE, nullable=False, server_default=text("'{}'::int8multirange")),
    Column("waiting", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    comment="Which order a payment at Stripe belongs to, what was refunded of it in all, and refunds that wait for the order",
)

stripe_invoice = Table(
    "stripe_invoice",
    metadata,
    _time("received_at"),
    Column("invoice", Text, primary_key=True),
    Column("customer", Text),
    Column("free", JSONB, nullable=False),
    comment="The free time of its subscription that was known when an invoice came first: by it the invoice is judged",
)

stripe_free = Table(
    "stripe_free",
    metadata,
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    _time("received_at"),
    Column("opens", Boolean, nullable=False),
    Column("subscription", Text, nullable=False),
    Column("customer", Text),
    PrimaryKeyConstraint("subscription", "starts_at"),
    comment="Time of a subscription at Stripe that cost nothing, in seconds since 1970; opens: it began with that (a trial)",
)

# Counts are written to at every settlement, each row for a minute or a day: updates find room on their page.
_COUNTS = {"fillfactor": "50"}

delivery_count = Table(
    "delivery_count",
    metadata,
    _time("minute"),
    Column("count", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False, server_default=text("0")),
    Column("longest", Double, nullable=False, server_default=text("0")),
    Column("destination", SmallInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=_KEY),
    PrimaryKeyConstraint("minute", "destination", "outcome", "reason"),
    postgresql_with=_COUNTS,
    comment="How many deliveries ended or failed in a minute, by outcome and reason; seconds from recorded to delivered: sum, longest",
)

field_coverage = Table(
    "field_coverage",
    metadata,
    Column("events", BigInteger, nullable=False),
    Column("day", Date, nullable=False),
    Column("destination", SmallInteger, nullable=False),
    Column("step", Text, nullable=False),
    Column("field", Text, nullable=False),
    PrimaryKeyConstraint("day", "destination", "step", "field"),
    postgresql_with=_COUNTS,
    comment="How many events were delivered first (revision 0) on a day (UTC), and how many of them with a field; field empty: all",
)

dispatcher = Table(
    "dispatcher",
    metadata,
    _time("started_at", now=True),
    _time("seen_at", now=True),
    Column("holder", Text, primary_key=True),
    comment="The dispatcher processes; seen_at: their last heartbeat",
)

destination_state = Table(
    "destination_state",
    metadata,
    _time("since"),
    _time("seen_at", now=True),
    Column("destination", SmallInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    PrimaryKeyConstraint("destination", "holder"),
    comment="Whether a destination takes deliveries, as each dispatcher reported it last, at seen_at",
)

alert = Table(
    "alert",
    metadata,
    _time("raised_at", now=True),
    _time("due_at", nullable=True, now=True),
    _time("passed_at", nullable=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("message", Text, nullable=False),
    PrimaryKeyConstraint("kind", "subject"),
    comment="What somebody is alerted to: told once, and once more when it is over; due_at: when it is to be told, NULL: it was",
)

"""The declared tables of the PostgreSQL schema `outbox`; migrations create them in a database.

    log       event, revision, attempt, receipt     immutable facts, the truth
    queue     intake, delivery, merge               only what is still pending; inserted and deleted, never updated
    lease     what one dispatcher currently holds
    raw       persons that a SQL writer sent unsealed, until intake seals them
    identity  fragment, fragment_key, fragment_event, click, key_mark    a projection of the log, by the keys of events
    routing   step, destination, route              the funnel, and the operator's switches
    upkeep    erasure, leader                       when somebody was erased; which dispatcher runs the scheduled jobs
    counts    delivery_count, field_coverage        read by pages and alerts, so that they never scan a log
    state     dispatcher, destination_state, alert  running dispatchers, the state of each destination, alerts
    stripe    stripe_payment, _invoice, _free       what one of Stripe's events must know about earlier ones

`losses`: how often a worker died or a batch failed while a row was processed; it is then claimed in smaller and smaller parts.

Columns are ordered by width (8 bytes, 4 bytes, 2 bytes, then variable), so that no padding is stored.
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
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, JSONB, UUID

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

# The rows of a queue live for seconds and leave dead versions behind: vacuum by a fixed count and at full speed, not by a
# share of a table that is empty most of the time.
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
    comment="The funnel: the steps that may be recorded, and what applies to each at every destination",
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

route = Table(
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
    Column("public", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("name", "event_id"),
    comment="The log of conversions; a row changes only when its person is sealed or erased",
)

raw = Table(
    "raw",
    metadata,
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("person", JSONB, nullable=False),
    postgresql_with=_QUEUE,
    comment="A person as a SQL writer sent it; the statement that writes the sealed form deletes it",
)

intake = Table(
    "intake",
    metadata,
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("losses", SmallInteger, nullable=False, server_default=text("0")),
    postgresql_with=_QUEUE,
    comment="Events that wait for intake: sealing, folding into identity, fan-out to destinations",
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
    Column("sent_as", JSONB),  # what every repeat must be: dispatcher.models.SentAs; NULL: surely nothing was taken
    # The only index of ordinary rows, in the order of the claim. It grows to the right with time, so a claim can start where
    # the last one ended instead of walking over dead entries.
    PrimaryKeyConstraint("destination", "due_at", "event_id", "revision"),
    postgresql_with=_QUEUE,
    comment="One event still pending for one destination",
)

# Rows that took a process down are few; ordinary ones cost these indexes nothing.
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
    Column("sent_as", ARRAY(JSONB)),  # noted before the first request
    postgresql_with={"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "500"},
    comment="A batch that one process holds until it expires (no destination: of intake); if the row is gone, nothing settles",
)

lease_watch = Table(
    "lease_watch",
    metadata,
    _time("since"),
    _time("seen_at"),
    Column("one", Boolean, primary_key=True),
    CheckConstraint("one", name="one"),
    comment="One row: since when dispatchers have looked for expired leases without a gap, and when one last did",
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
    _time("at", now=True),  # of an uncertain one: when it was sent, from which the repeat window counts
    Column("code", Integer),
    Column("subcode", Integer),
    Column("destination", SmallInteger, nullable=False),
    Column("revision", SmallInteger, nullable=False),
    Column("try", SmallInteger, nullable=False),
    Column("status", SmallInteger),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("trace", Text),
    Column("sent_as", JSONB),  # of an uncertain one
    PrimaryKeyConstraint("event_id", "destination", "revision", "try"),
    CheckConstraint("outcome IN ('transient', 'throttled', 'uncertain')", name="outcome"),
    comment="One try that did not end the delivery: codes only, no payload, no personal data",
)

receipt = Table(
    "receipt",
    metadata,
    Column("event_id", BigInteger, nullable=False),
    _time("at", now=True),
    _time("event_time", nullable=True),  # as it was sent, if that is not when it occurred
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
    Column("event_name", Text),
    Column("dataset", Text),
    Column("sent", Text),
    PrimaryKeyConstraint("event_id", "destination", "revision"),
    CheckConstraint("outcome IN ('delivered', 'skipped', 'failed')", name="outcome"),
    comment="How a delivery ended; sent: the names of the fields, each identifier with a short digest: em:62a14e44 ph:1c0…",
)

# Dead letters are few: a partial index of them costs the other receipts nothing.
Index(
    "receipt_failed",
    receipt.c.destination,
    receipt.c.event_id,
    receipt.c.revision,
    postgresql_include=["reason"],
    postgresql_where=receipt.c.outcome == "failed",
)

_KEY = text("''")  # empty: no such key; NULLs would not be equal to each other

fragment = Table(
    "fragment",
    metadata,
    Column("id", UUID, primary_key=True),  # a digest of the keys, so that no process needs to ask for it
    Column("is_public", Boolean, nullable=False, server_default=text("false")),
    Column("account_id", Text, nullable=False, server_default=_KEY),
    Column("handl_id", Text, nullable=False, server_default=_KEY),
    Column("lead_id", Text, nullable=False, server_default=_KEY),
    Column("emails", Text, nullable=False, server_default=_KEY),
    Column("phones", Text, nullable=False, server_default=_KEY),
    Column("groups", JSONB, nullable=False),
    Column("known", JSONB),
    # Updates change no indexed column and find room on the same page.
    postgresql_with={"fillfactor": "80"},
    comment="The events that carry the same keys; groups: [time, id, fields] of the events that set a field last; known: the newest keys of an account",
)

fragment_key = Table(
    "fragment_key",
    metadata,
    Column("fragment_id", UUID, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("is_public", Boolean, nullable=False, server_default=text("false")),
    Column("key", Text, nullable=False),
    PrimaryKeyConstraint("kind", "key", "is_public", "fragment_id"),
    comment="The keys of each fragment; kind: 1 an account (of the account alone), 2 a handlID, 3 a lead, 4 an e-mail hash, 5 a phone hash",
)

fragment_event = Table(
    "fragment_event",
    metadata,
    Column("fragment_id", UUID, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("event_id", BigInteger, nullable=False),
    PrimaryKeyConstraint("fragment_id", "at", "event_id"),
    comment="The events of a fragment in the order of time; at: microseconds since 1970",
)

click = Table(
    "click",
    metadata,
    Column("fragment_id", UUID, nullable=False),
    Column("digest", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("event_id", BigInteger, nullable=False),
    Column("grade", SmallInteger, nullable=False),
    PrimaryKeyConstraint("fragment_id", "grade", "digest"),
    comment="The first event of a fragment that carries a click; grade: 0 if it refuses, else what it grants",
)

key_mark = Table(
    "key_mark",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("is_over_limit", Boolean, nullable=False, server_default=text("false")),
    Column("refusals", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    comment="What is remembered of a key, by its digest only, when its events are gone: that it was shared by too many, that it refused",
)

merge = Table(
    "merge",
    metadata,
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    _time("due_at", now=True),
    Column("losses", SmallInteger, nullable=False, server_default=text("0")),
    Index("merge_suspect", "losses", postgresql_where=text("losses > 0")),
    postgresql_with=_QUEUE,
    comment="Events that connected keys for the first time: events sent before may have gained an identifier",
)

erasure = Table(
    "erasure",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _time("at", now=True),
    Column("events", Integer, nullable=False),
    comment="When somebody was erased, and how many events were theirs; not who",
)

leader = Table(
    "leader",
    metadata,
    _time("expires_at"),
    Column("role", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    comment="The one dispatcher that holds a role (schedule) until it expires",
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
    comment="The order of a payment at Stripe, what was refunded of it in total, and refunds that wait for the order",
)

stripe_invoice = Table(
    "stripe_invoice",
    metadata,
    _time("received_at"),
    Column("invoice", Text, primary_key=True),
    Column("customer", Text),
    Column("free", JSONB, nullable=False),
    comment="The free time of its subscription that was known when an invoice first came; the invoice is judged by it",
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
    comment="Free time of a subscription at Stripe, in seconds since 1970; opens: the subscription began with it (a trial)",
)

# Every settlement updates counts, each row for a minute or a day: updates find room on the same page.
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
    comment="How many deliveries or attempts ended in a minute, by outcome and reason; seconds, longest: from recorded to delivered, sum and maximum",
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
    comment="How many events were first delivered (revision 0) on a day (UTC), and how many of them with a field; field empty: all",
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
    comment="The state of a destination as each dispatcher last reported it, at seen_at",
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
    comment="Alerts, sent once when raised and once when passed; due_at: when to send, NULL: already sent",
)

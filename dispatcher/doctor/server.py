"""PostgreSQL: its version and clock, the schema, this user's rights, and what keeps vacuum from its work. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from dispatcher.doctor.finding import Finding, bad, ok, warn

OLDEST = 14
"""The first version of PostgreSQL that is supported."""
DRIFT = timedelta(seconds=5)
"""Clocks that differ by more are not kept by NTP."""
WRONG = timedelta(minutes=5)
"""The daemon keeps five minutes in hand of every window; a clock that is further off loses or doubles conversions."""
LONG_SECONDS = 600
VERY_LONG_SECONDS = 3600
SLOT_BEHIND = 10_000_000


class Server(msgspec.Struct, frozen=True):
    """What the server says of itself; `moved`: how far `outbox.clock()` is from its clock."""

    version: int
    clock: datetime
    moved: timedelta
    is_standby: bool
    autovacuum: bool
    unvacuumed: Sequence[str]
    most_connections: int
    connections: int
    notifies: bool


class Rights(msgspec.Struct, frozen=True):
    """The roles that are missing, and the rights that this user lacks."""

    missing_roles: Sequence[str]
    lacking: Sequence[str]


class Transactions(msgspec.Struct, frozen=True):
    """What keeps vacuum from cleaning up: seconds of the oldest transaction and prepared one, a slot's lag."""

    oldest_seconds: float | None
    prepared_seconds: float | None
    slot_behind: int | None


def check_schema(pending: Sequence[str]) -> Finding:
    """See that the schema is current."""
    if pending:
        return bad("schema", f"The database lacks {', '.join(pending)}.", "Run `outbox migrate`.")
    return ok("schema", "The schema is current.")


def check_server(server: Server, machine: datetime) -> Iterator[Finding]:
    """Look at the server; `machine`: this machine's clock at the same moment."""
    major = server.version // 10_000
    if major < OLDEST:
        yield bad("PostgreSQL", f"This is PostgreSQL {major}.", f"Upgrade to PostgreSQL {OLDEST} or later.")
    elif server.is_standby:
        yield bad(
            "PostgreSQL",
            "This server is a standby: it takes no writes.",
            "Name all hosts in OUTBOX_DATABASE_URL; the one that takes writes is found by itself.",
        )
    else:
        yield ok("PostgreSQL", f"PostgreSQL {major}, taking writes.")
    yield check_clock("clock", server.clock + server.moved - machine, "the database")
    yield _vacuum(server)
    if server.connections > 0.9 * server.most_connections:
        yield warn(
            "connections",
            f"{server.connections} of {server.most_connections} connections are taken.",
            "A dispatcher takes up to twelve: eight, one that listens, and its console's three. Raise max_connections, or put "
            "a pooler in between.",
        )
    if server.notifies:
        yield ok(
            "waking",
            "A commit wakes the dispatchers (event_notify), at half of what concurrent writers could commit without.",
        )


def check_clock(name: str, off: timedelta, of: str) -> Finding:
    """Compare this machine's clock; `off`: how far ahead that of `of` is."""
    seconds = abs(off.total_seconds())
    if abs(off) <= DRIFT:
        return ok(name, f"This machine's clock and that of {of} agree.")
    says = f"This machine's clock is {seconds:.0f} s {'behind' if off > timedelta() else 'ahead of'} that of {of}."
    do = "Let NTP (chrony, systemd-timesyncd) keep the clocks of all machines."
    return bad(name, says, do) if abs(off) > WRONG else warn(name, says, do)


def _vacuum(server: Server) -> Finding:
    do = "Turn autovacuum on again: the queues' dead rows pile up, and each claim gets slower."
    if not server.autovacuum:
        return bad("vacuum", "autovacuum is off.", do)
    if server.unvacuumed:
        return bad("vacuum", f"autovacuum is off for {', '.join(server.unvacuumed)}.", do)
    return ok("vacuum", "autovacuum is on.")


def check_rights(rights: Rights) -> Iterator[Finding]:
    """See that a dispatcher may do its work, and that the roles are there."""
    if rights.lacking:
        some = ", ".join(rights.lacking[:3]) + (" and more" if len(rights.lacking) > 3 else "")
        yield bad(
            "rights",
            f"This user lacks {some}.",
            "Run `outbox migrate` as the owner of the schema, then GRANT outbox_dispatcher TO this user.",
        )
    else:
        yield ok("rights", "This user may do what a dispatcher does.")
    if rights.missing_roles:
        yield warn(
            "roles",
            f"There is no role {', '.join(rights.missing_roles)}.",
            "CREATE ROLE … NOLOGIN as a superuser, then run `outbox migrate`, which grants it what it may do; or keep to the "
            "schema's owner.",
        )


def check_transactions(found: Transactions) -> Iterator[Finding]:
    """Look for what keeps vacuum from cleaning up."""
    oldest = max(found.oldest_seconds or 0, found.prepared_seconds or 0)
    says = f"A transaction has been open for {oldest / 60:.0f} min: vacuum cleans nothing up that is younger."
    do = "Find it in pg_stat_activity (idle in transaction?) or pg_prepared_xacts, and end it."
    if oldest > VERY_LONG_SECONDS:
        yield bad("transactions", says, do)
    elif oldest > LONG_SECONDS:
        yield warn("transactions", says, do)
    else:
        yield ok("transactions", "No transaction has been open for long.")
    if (found.slot_behind or 0) > SLOT_BEHIND:
        yield warn(
            "replication slots",
            "A replication slot that nobody reads holds back vacuum.",
            "Drop it (pg_drop_replication_slot), or start what reads it.",
        )

"""Checks of PostgreSQL: version, clock, schema, this user's rights, and what holds back vacuum. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from dispatcher.findings import Finding, error, ok, warning

OLDEST = 14
"""The oldest supported version of PostgreSQL."""
DRIFT = timedelta(seconds=5)
"""Clocks that differ by more are not synchronised by NTP."""
WRONG = timedelta(minutes=5)
"""The daemon keeps a margin of five minutes in every window. A clock further off loses or double-counts conversions."""
LONG_SECONDS = 600
VERY_LONG_SECONDS = 3600
SLOT_BEHIND = 10_000_000


class ServerReport(msgspec.Struct, frozen=True):
    """What the server reports about itself. `moved`: how far `outbox.clock()` is from the server's clock."""

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
    """The roles that do not exist, and the rights that this user lacks."""

    missing_roles: Sequence[str]
    lacking: Sequence[str]


class Transactions(msgspec.Struct, frozen=True):
    """What holds back vacuum: the ages in seconds of the oldest open and prepared transactions, and a slot's lag."""

    oldest_seconds: float | None
    prepared_seconds: float | None
    slot_behind: int | None


def check_schema(pending: Sequence[str]) -> Finding:
    """Check that the schema is current."""
    if pending:
        return error("schema", f"The database lacks {', '.join(pending)}.", "Run `outbox migrate`.")
    return ok("schema", "The schema is current.")


def check_server(server: ServerReport, machine: datetime) -> Iterator[Finding]:
    """Check the server. `machine` is this machine's time at the moment when the server reported its own."""
    major = server.version // 10_000
    if major < OLDEST:
        yield error("PostgreSQL", f"This is PostgreSQL {major}.", f"Upgrade to PostgreSQL {OLDEST} or later.")
    elif server.is_standby:
        yield error(
            "PostgreSQL",
            "This server is a standby and accepts no writes.",
            "List all hosts in OUTBOX_DATABASE_URL; the one that accepts writes is chosen automatically.",
        )
    else:
        yield ok("PostgreSQL", f"PostgreSQL {major}, accepts writes.")
    yield check_clock("clock", server.clock + server.moved - machine, "the database")
    yield _vacuum(server)
    if server.connections > 0.9 * server.most_connections:
        yield warning(
            "connections",
            f"{server.connections} of {server.most_connections} connections are in use.",
            "A dispatcher uses up to twelve: eight for work, one to listen, three for its console. Raise max_connections, "
            "or use a connection pooler.",
        )
    if server.notifies:
        yield ok(
            "notifications",
            "Each commit wakes the dispatchers (event_notify). This halves what concurrent writers can commit.",
        )


def check_clock(name: str, offset: timedelta, other: str) -> Finding:
    """Compare this machine's clock with another. `offset`: how far the clock of `other` is ahead of this machine's."""
    seconds = abs(offset.total_seconds())
    if abs(offset) <= DRIFT:
        return ok(name, f"This machine's clock and that of {other} agree.")
    direction = "behind" if offset > timedelta() else "ahead of"
    says = f"This machine's clock is {seconds:.0f} s {direction} that of {other}."
    do = "Synchronise the clocks of all machines with NTP (chrony, systemd-timesyncd)."
    return error(name, says, do) if abs(offset) > WRONG else warning(name, says, do)


def _vacuum(server: ServerReport) -> Finding:
    do = "Turn autovacuum on again. Otherwise dead rows pile up in the queues, and every claim gets slower."
    if not server.autovacuum:
        return error("vacuum", "autovacuum is off.", do)
    if server.unvacuumed:
        return error("vacuum", f"autovacuum is off for {', '.join(server.unvacuumed)}.", do)
    return ok("vacuum", "autovacuum is on.")


def check_rights(rights: Rights) -> Iterator[Finding]:
    """Check that this user has a dispatcher's rights and that all roles exist."""
    if rights.lacking:
        some = ", ".join(rights.lacking[:3]) + (" and more" if len(rights.lacking) > 3 else "")
        yield error(
            "rights",
            f"This user lacks {some}.",
            "Run `outbox migrate` as the owner of the schema, then GRANT outbox_dispatcher TO this user.",
        )
    else:
        yield ok("rights", "This user has all rights that a dispatcher needs.")
    if rights.missing_roles:
        yield warning(
            "roles",
            f"Missing roles: {', '.join(rights.missing_roles)}.",
            "CREATE ROLE … NOLOGIN as a superuser, then run `outbox migrate`, which grants the role its rights. Or use "
            "the schema's owner for everything.",
        )


def check_transactions(found: Transactions) -> Iterator[Finding]:
    """Report what holds back vacuum."""
    oldest = max(found.oldest_seconds or 0, found.prepared_seconds or 0)
    says = f"A transaction has been open for {oldest / 60:.0f} min. Vacuum cannot remove rows that died since it began."
    do = "Find it in pg_stat_activity (idle in transaction?) or pg_prepared_xacts and end it."
    if oldest > VERY_LONG_SECONDS:
        yield error("transactions", says, do)
    elif oldest > LONG_SECONDS:
        yield warning("transactions", says, do)
    else:
        yield ok("transactions", "No transaction has been open for long.")
    if (found.slot_behind or 0) > SLOT_BEHIND:
        yield warning(
            "replication slots",
            "An unused replication slot holds back vacuum.",
            "Drop it (pg_drop_replication_slot), or start its consumer.",
        )

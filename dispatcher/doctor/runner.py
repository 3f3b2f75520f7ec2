"""Runs the checks: queries the database and passes the results to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import psycopg

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.database import migrations
from dispatcher.database.connections import DATABASE_UNAVAILABLE, Database, rows_as
from dispatcher.delivery import dead_letters
from dispatcher.destinations import registry
from dispatcher.destinations.checks import StepCounts
from dispatcher.doctor import accounts, configuration, deliveries, live, log, server
from dispatcher.findings import Finding, error, warning
from dispatcher.monitoring.destination_status import destination_statuses
from dispatcher.routing import RoutingTable

FRESH = timedelta(seconds=deliveries.FRESH_SECONDS)


async def examine(
    settings: Settings,
    config: Config,
    database_url: str,
    *,
    ask_live: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Finding]:
    """Run all checks and return their findings.

    With `ask_live`, test the destinations themselves too. `progress` is called with the name of each part as it begins.
    """
    progress("configuration")
    found = list(configuration.check(settings, config, datetime.now(UTC).date()))
    progress("database")
    found += [finding async for finding in _database(settings, config, database_url)]
    if ask_live:
        progress("destinations")
        found += [finding async for finding in live.check(settings, config)]
    return found


async def _database(settings: Settings, config: Config, url: str) -> AsyncIterator[Finding]:
    try:
        pending = await asyncio.to_thread(migrations.pending, url)
        yield server.check_schema(pending)
        if pending:
            return
        async with Database.connect(url, connections=1) as database:
            async for finding in _server(database):
                yield finding
            async for finding in _funnel(url, config):
                yield finding
            async for finding in _deliveries(database):
                yield finding
            rows = await database.run_once("read_newest_events", {"limit": log.NEWEST})
            for finding in log.check(rows_as(StepCounts, rows), config, consent_default=settings.consent_default):
                yield finding
            (seen,) = rows_as(accounts.Accounts, await database.run_once("read_accounts", {"limit": log.NEWEST}))
            for finding in accounts.check(seen):
                yield finding
    except psycopg.errors.InsufficientPrivilege:
        yield error("rights", "This database user may not read the outbox.", "GRANT outbox_dispatcher TO it.")
    except DATABASE_UNAVAILABLE as failure:
        yield error(
            "database",
            f"The database does not answer ({type(failure).__name__}).",
            "Check OUTBOX_DATABASE_URL and the server.",
        )


async def _server(database: Database) -> AsyncIterator[Finding]:
    before = datetime.now(UTC)
    (found,) = rows_as(server.ServerReport, await database.run_once("read_server"))
    machine = before + (datetime.now(UTC) - before) / 2
    for finding in server.check_server(found, machine):
        yield finding
    (rights,) = rows_as(server.Rights, await database.run_once("read_rights"))
    for finding in server.check_rights(rights):
        yield finding
    (transactions,) = rows_as(server.Transactions, await database.run_once("read_transactions"))
    for finding in server.check_transactions(transactions):
        yield finding


async def _funnel(url: str, config: Config) -> AsyncIterator[Finding]:
    """Compare the funnel in the database with the configured one. Writes nothing."""
    try:
        differences = await asyncio.to_thread(migrations.keep_in_step, url, config, write=False)
    except psycopg.errors.InsufficientPrivilege:
        return
    if differences:
        yield warning(
            "funnel",
            f"The funnel in the database differs from outbox.toml: {'; '.join(differences[:3])}.",
            "If this outbox.toml is right, run `outbox migrate` here. Otherwise run commands where the right file is.",
        )


async def _deliveries(database: Database) -> AsyncIterator[Finding]:
    async with database.transaction(is_reading=True) as transaction:
        destinations = list((await RoutingTable(transaction).destinations()).values())
        statuses = destination_statuses(await transaction.run("read_destination_status", {"fresh": FRESH})).values()
        # The age of a paused step's deliveries is reported only if nothing else is waiting.
        pending = deliveries.OldestPending(
            {each.id: each.age.paused if each.age.working is None else each.age.working for each in statuses}
        )
        states = [
            deliveries.CurrentState(each.id, each.state, each.reason) for each in statuses if each.id and each.state
        ]
        dispatchers = len(await transaction.run("read_dispatchers", {"since": FRESH}))
        counts = rows_as(deliveries.Count, await transaction.run("count_day"))
    for finding in deliveries.check(destinations, pending, states, dispatchers, registry.limits_of):
        yield finding
    for finding in deliveries.check_dead(await dead_letters.groups(database, dead_letters.DeadLetterFilter())):
        yield finding
    for finding in deliveries.check_day(counts):
        yield finding

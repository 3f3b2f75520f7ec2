"""Keeps the routing tables (`step`, `destination`, `route`) in line with the configured funnel.

The operator's switches (enabled, paused) are never touched. A step that the funnel no longer names stays, so that a CRM
that still records it does not fail; its routes are removed, so that it is sent nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from outbox.taxonomy import Step


def seed(
    connection: psycopg.Connection[Any], funnel: Sequence[Step], destinations: Sequence[tuple[str, str]]
) -> list[str]:
    """Write what differs, in the transaction of `connection`; return the differences, a phrase each.

    `destinations`: name and kind of each; a second account of a kind is another row of it.
    """
    before = _routing(connection)
    _write(connection, funnel, destinations)
    return _differences(before, _routing(connection))


def _write(
    connection: psycopg.Connection[Any], funnel: Sequence[Step], destinations: Sequence[tuple[str, str]]
) -> None:
    run = connection.execute
    for name, kind in destinations:
        run(
            """
            INSERT INTO outbox.destination (id, name, kind)
            SELECT coalesce(max(id), 0) + 1, %(name)s, %(kind)s FROM outbox.destination
            ON CONFLICT (name) DO UPDATE SET kind = excluded.kind WHERE destination.kind <> excluded.kind
            """,
            {"name": name, "kind": kind},
        )
    for step in funnel:
        run(
            """
            INSERT INTO outbox.step (name, action_source, browser_pair, value, currency)
            VALUES (%(name)s, %(action_source)s, %(browser_pair)s, %(value)s, %(currency)s)
            ON CONFLICT (name) DO UPDATE
            SET action_source = excluded.action_source, browser_pair = excluded.browser_pair,
                value = excluded.value, currency = excluded.currency
            WHERE (step.action_source, step.browser_pair, step.value, step.currency)
                IS DISTINCT FROM (excluded.action_source, excluded.browser_pair, excluded.value, excluded.currency)
            """,
            {
                "name": step.name,
                "action_source": step.action_source,
                "browser_pair": step.browser_pair,
                "value": step.value,
                "currency": step.currency,
            },
        )
        for destination, target in step.targets.items():
            run(
                """
                INSERT INTO outbox.route (destination, step, event_name, parameters)
                SELECT id, %(step)s, %(event_name)s, %(parameters)s
                FROM outbox.destination WHERE name = %(destination)s
                ON CONFLICT (destination, step) DO UPDATE
                SET event_name = excluded.event_name, parameters = excluded.parameters
                WHERE (route.event_name, route.parameters)
                    IS DISTINCT FROM (excluded.event_name, excluded.parameters)
                """,
                {
                    "destination": destination,
                    "step": step.name,
                    "event_name": target.event_name,
                    "parameters": Jsonb(target.parameters),
                },
            )
    run(
        """
        DELETE FROM outbox.route USING outbox.destination
        WHERE destination.id = route.destination
          AND NOT (destination.name || ' ' || route.step) = ANY (%(kept)s)
        """,
        {"kept": [f"{destination} {step.name}" for step in funnel for destination in step.targets]},
    )


def _routing(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Return the content of the tables as phrases, without the operator's switches."""
    rows = connection.execute(
        """
        SELECT 'destination ' || name AS subject, kind AS says FROM outbox.destination
        UNION ALL
        SELECT 'step ' || name,
               concat_ws(' ', value, currency, action_source, CASE WHEN browser_pair THEN 'browser_pair' END)
        FROM outbox.step
        UNION ALL
        SELECT step || ' at ' || name, event_name || coalesce(' ' || nullif(parameters::text, '{}'), '')
        FROM outbox.route JOIN outbox.destination ON id = destination
        """
    )
    return dict(rows.fetchall())


def _differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    changed = [
        f"{subject}: {before[subject] or 'nothing'} is now {after[subject] or 'nothing'}"
        for subject in before.keys() & after.keys()
        if before[subject] != after[subject]
    ]
    new = [
        f"{subject}: {says}".removesuffix(": ") + " is new" for subject, says in after.items() if subject not in before
    ]
    gone = [f"{subject}: {says} is removed" for subject, says in before.items() if subject not in after]
    return sorted(changed + new + gone)

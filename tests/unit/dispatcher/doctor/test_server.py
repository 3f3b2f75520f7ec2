"""What the doctor reports about PostgreSQL and clocks."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from dispatcher.doctor.server import (
    Rights,
    ServerReport,
    Transactions,
    check_clock,
    check_rights,
    check_schema,
    check_server,
    check_transactions,
)
from tests.support.examples import NOW

HEALTHY = ServerReport(180000, NOW, timedelta(), False, True, (), 100, 10, False)


def severities(found):
    return {finding.check: str(finding.severity) for finding in found if finding.severity != "ok"}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, {}),
        ({"version": 130012}, {"PostgreSQL": "error"}),
        ({"is_standby": True}, {"PostgreSQL": "error"}),
        ({"autovacuum": False}, {"vacuum": "error"}),
        ({"unvacuumed": ("delivery",)}, {"vacuum": "error"}),
        ({"connections": 95}, {"connections": "warning"}),
        ({"notifies": True}, {}),
        ({"moved": timedelta(seconds=30)}, {"clock": "warning"}),
        ({"moved": timedelta(hours=-1)}, {"clock": "error"}),
    ],
)
def test_problems_of_the_server_are_reported(changes, found):
    assert severities(check_server(msgspec.structs.replace(HEALTHY, **changes), NOW)) == found


def test_a_clock_s_finding_says_in_which_direction_it_is_off():
    assert "30 s behind" in check_clock("clock", timedelta(seconds=30), "Meta").says
    assert "30 s ahead of" in check_clock("clock", timedelta(seconds=-30), "Meta").says


def test_missing_rights_and_roles_are_named():
    assert severities(check_rights(Rights((), ()))) == {}
    (lacking, roles) = check_rights(Rights(("outbox_reader",), ("insert on lease",) * 9))
    assert "insert on lease" in lacking.says
    assert "outbox_reader" in roles.says


@pytest.mark.parametrize(
    ("transactions", "found"),
    [
        (Transactions(None, None, None), {}),
        (Transactions(500.0, None, None), {}),
        (Transactions(700.0, None, None), {"transactions": "warning"}),
        (Transactions(1.0, 7200.0, None), {"transactions": "error"}),
        (Transactions(1.0, None, 2**30), {"replication slots": "warning"}),
    ],
)
def test_what_holds_back_vacuum_is_reported(transactions, found):
    assert severities(check_transactions(transactions)) == found


def test_a_schema_that_is_behind_is_an_error():
    assert check_schema([]).severity == "ok"
    assert check_schema(["0005"]).do == "Run `outbox migrate`."

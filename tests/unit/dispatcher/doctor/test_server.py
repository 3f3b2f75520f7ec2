"""What the doctor says of PostgreSQL and of clocks."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from dispatcher.doctor.server import (
    Rights,
    Server,
    Transactions,
    check_clock,
    check_rights,
    check_schema,
    check_server,
    check_transactions,
)
from tests.support.examples import NOW

WELL = Server(180000, NOW, timedelta(), False, True, (), 100, 10, False)


def verdicts(found):
    return {finding.check: str(finding.verdict) for finding in found if finding.verdict != "ok"}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, {}),
        ({"version": 130012}, {"PostgreSQL": "bad"}),
        ({"is_standby": True}, {"PostgreSQL": "bad"}),
        ({"autovacuum": False}, {"vacuum": "bad"}),
        ({"unvacuumed": ("delivery",)}, {"vacuum": "bad"}),
        ({"connections": 95}, {"connections": "warn"}),
        ({"notifies": True}, {}),
        ({"moved": timedelta(seconds=30)}, {"clock": "warn"}),
        ({"moved": timedelta(hours=-1)}, {"clock": "bad"}),
    ],
)
def test_what_is_amiss_with_the_server_is_said(changes, found):
    assert verdicts(check_server(msgspec.structs.replace(WELL, **changes), NOW)) == found


def test_a_clock_says_which_way_it_is_off():
    assert "30 s behind" in check_clock("clock", timedelta(seconds=30), "Meta").says
    assert "30 s ahead of" in check_clock("clock", timedelta(seconds=-30), "Meta").says


def test_what_a_dispatcher_may_not_do_is_named():
    assert verdicts(check_rights(Rights((), ()))) == {}
    (lacking, roles) = check_rights(Rights(("outbox_reader",), ("insert on lease",) * 9))
    assert "insert on lease" in lacking.says
    assert "outbox_reader" in roles.says


@pytest.mark.parametrize(
    ("transactions", "found"),
    [
        (Transactions(None, None, None), {}),
        (Transactions(500.0, None, None), {}),
        (Transactions(700.0, None, None), {"transactions": "warn"}),
        (Transactions(1.0, 7200.0, None), {"transactions": "bad"}),
        (Transactions(1.0, None, 2**30), {"replication slots": "warn"}),
    ],
)
def test_what_holds_back_vacuum_is_said(transactions, found):
    assert verdicts(check_transactions(transactions)) == found


def test_a_schema_that_is_behind_is_bad():
    assert check_schema([]).verdict == "ok"
    assert check_schema(["0005"]).do == "Run `outbox migrate`."

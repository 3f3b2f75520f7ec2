"""A public event is kept as such: it carries no account, and is never a merge."""

from __future__ import annotations

import json

import psycopg
import pytest

import outbox
from outbox.encoding import encode


def record(connection, **event):
    text = json.dumps({"name": "lead_submitted", **event})
    (number,) = connection.execute("SELECT outbox.record(%s)", (text,)).fetchone()
    return connection.execute("SELECT public, account_id, notes FROM outbox.event WHERE id = %s", (number,)).fetchone()


def test_public_is_stored_and_false_by_default(connection):
    assert record(connection, public=True) == (True, None, None)
    assert record(connection, public=False) == (False, None, None)
    assert record(connection) == (False, None, None)


def test_a_public_event_carries_no_account(connection):
    assert record(connection, public=True, account_id="A1") == (
        True, None, ["account_id: not from a public form, left out"],
    )  # fmt: skip


def test_a_merge_is_never_public(connection):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="public: signed_in is never public"):
        record(connection, name="signed_in", account_id="A1", handl_id="H1", public=True)


def test_many_are_recorded_alike(connection):
    events = json.dumps([{"name": "lead_submitted", "public": flag, "account_id": "A1"} for flag in (True, False)])
    (numbers,) = connection.execute("SELECT outbox.record_many(%s)", (events,)).fetchone()
    rows = connection.execute(
        "SELECT public, account_id FROM outbox.event WHERE id = ANY (%s) ORDER BY id", (numbers,)
    ).fetchall()
    assert sorted(rows) == [(False, "A1"), (True, None)]


def test_python_says_so_only_if_it_is_true():
    assert json.loads(encode(outbox.LeadSubmitted(public=True)))["public"] is True
    assert "public" not in json.loads(encode(outbox.LeadSubmitted()))

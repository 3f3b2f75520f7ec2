"""Thousands of hostile events by SQL, and configurations: an error that quotes nothing, or it is taken and delivered.

`docs/security.md` has the table of what was tried.
"""

from __future__ import annotations

import json
import logging

import psycopg
import structlog

from dispatcher.config import load
from dispatcher.config.models import ConfigError
from dispatcher.config.settings import Settings, SettingsError
from tests.support.hostile import MARKER, Hostile

INPUTS = 2_000
"""For each surface."""
NOT_INTERNAL = ("22", "23", "54")
"""Classes of SQLSTATE that say what is wrong with an input: data, constraint, a limit."""


def _json(event):
    return json.dumps(event).replace("\\u0000", "").replace("\\ud800", "")


async def test_sql(spine, caplog):
    hostile = Hostile(5)
    errors, taken = [], 0
    for number in range(INPUTS):
        event = hostile.event()
        if isinstance(event, dict) and number % 3:
            event["event_id"] = f"event {number}"
            event.pop("occurred_at", None)
        try:
            spine.connection.execute("SELECT outbox.record(%s::jsonb)", (_json(event),))
            taken += 1
        except psycopg.Error as error:
            errors.append((error.sqlstate or "", str(error.diag.message_primary), str(event)[:2000]))
    assert [error for error in errors if not error[0].startswith(NOT_INTERNAL)] == []
    assert [error for error in errors if MARKER in error[1]] == []
    assert taken > INPUTS / 3
    with structlog.testing.capture_logs() as logs, caplog.at_level(logging.DEBUG):
        assert await spine.drain() == 0
    assert MARKER not in str([line for line in logs if line["log_level"] != "debug"]) + caplog.text
    reasons = spine.connection.execute("SELECT DISTINCT outcome, reason FROM outbox.receipt").fetchall()
    assert MARKER not in str(reasons)
    waiting = "SELECT (SELECT count(*) FROM outbox.intake) + (SELECT count(*) FROM outbox.delivery)"
    assert spine.connection.execute(waiting).fetchone() == (0,)


def test_configuration(tmp_path):
    """A file or a setting that is none is refused with a sentence; a secret in the wrong place is not repeated."""
    hostile, path = Hostile(6), tmp_path / "outbox.toml"
    tables = ("destinations.x", "steps.x", "forms.x", "serve", "stripe", "schedule", "alerts", "x")
    keys = (
        "kind", "pixel_id", "token_env", "like", "to", "parameters", "value", "currency", "step", "fields", "required",
        "origins", "trusted_proxies", "ip_headers", "account_key", "report_at", "zone", "backlog_minutes", "redirect",
    )  # fmt: skip
    read, errors = 0, []
    for number in range(INPUTS):
        lines = [f"[{hostile.one_of(*tables)}]"]
        for _ in range(hostile.random.randrange(4)):
            value = hostile.value(1)
            lines.append(f"{hostile.one_of(*keys)} = {json.dumps(value) if value is not None else hostile.text(60)}")
        content = hostile.text(20_000) if number % 10 == 0 else "\n".join(lines)
        path.write_bytes(content.encode("utf-8", "surrogatepass"))
        try:
            load(path, {})
            read += 1
        except ConfigError as error:
            errors.append(str(error))
    assert read
    assert all(str(path) in error for error in errors)
    names = ("OUTBOX_DATABASE_URL", "META_CAPI_TOKEN", "META_PIXEL_ID", "META_CAPI_BASE_URL", "GA4_MEASUREMENT_ID")
    errors.clear()
    for _ in range(INPUTS):
        name = hostile.one_of(*names, "OUTBOX_PHONE_REGION", "OUTBOX_CONSENT_DEFAULT", "OUTBOX_LEASE_SECONDS")
        try:
            settings = Settings.from_environment({name: hostile.text().replace("\0", "")})
        except SettingsError as error:
            errors.append(str(error))
        else:
            assert name in {"OUTBOX_DATABASE_URL", "META_CAPI_BASE_URL"} or MARKER not in repr(settings)
    assert [error for error in errors if MARKER in error] == []

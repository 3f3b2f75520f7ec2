"""`outbox destination`: lists destinations and their steps, and changes their state."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support import processes


async def listed(outbox):
    code, out, _ = await outbox("destination", "list", "--json")
    assert code == 0
    return {item["name"]: item for item in json.loads(out)}


async def test_destinations_are_listed_with_their_steps(outbox):
    found = await listed(outbox)
    assert found.keys() == {"meta", "ga4"}
    assert {step["step"]: step["event_name"] for step in found["meta"]["steps"]}["lead_submitted"] == "Lead"
    assert found["meta"]["missing"] == "META_CAPI_TOKEN"
    code, out, _ = await outbox("destination", "list")
    assert code == 0
    assert "enabled; halted: META_CAPI_TOKEN is not set here" in out
    assert any(line.split() == ["meta", "lead_submitted", "Lead", "enabled"] for line in out.splitlines())


async def test_the_state_that_a_dispatcher_reports_is_listed(outbox, spine):
    spine.connection.execute(
        """
        INSERT INTO outbox.destination_state (destination, holder, state, reason, since, seen_at)
        SELECT id, 'one', 'halted', 'access token refused', now(), now() FROM outbox.destination WHERE name = 'ga4'
        """
    )
    found = (await listed(outbox))["ga4"]
    assert (found["state"], found["reason"]) == ("halted", "access token refused")
    spine.connection.execute("UPDATE outbox.destination_state SET seen_at = now() - interval '10 minutes'")
    assert (await listed(outbox))["ga4"]["state"] is None


async def test_a_refused_token_is_listed(spine):
    spine.connection.execute(
        """
        INSERT INTO outbox.destination_state (destination, holder, state, reason, since, seen_at)
        SELECT id, 'one', 'halted', 'access token refused', now(), now() FROM outbox.destination WHERE name = 'meta'
        """
    )
    environment = {"OUTBOX_DATABASE_URL": spine.database_url, "META_CAPI_TOKEN": "old"}
    _, out, _ = await asyncio.to_thread(processes.run, environment, "destination", "list")
    assert "enabled; halted: access token refused" in out


@pytest.mark.parametrize(
    ("verb", "state", "paused", "enabled"),
    [("pause", "paused", True, True), ("disable", "disabled", False, False)],
)
async def test_a_destination_or_step_is_changed_and_changed_back(outbox, verb, state, paused, enabled):
    code, out, _ = await outbox("destination", verb, "meta", "--step", "lead_submitted")
    assert (code, out.startswith(f"lead_submitted at meta: {state}; ")) == (0, True)
    steps = {step["step"]: step for step in (await listed(outbox))["meta"]["steps"]}
    assert (steps["lead_submitted"]["paused"], steps["lead_submitted"]["enabled"]) == (paused, enabled)
    assert (await outbox("destination", verb, "ga4"))[0] == 0
    found = (await listed(outbox))["ga4"]
    assert (found["paused"], found["enabled"]) == (paused, enabled)
    back = {"pause": "resume", "disable": "enable"}[verb]
    assert (await outbox("destination", back, "ga4"))[0] == 0
    found = (await listed(outbox))["ga4"]
    assert (found["paused"], found["enabled"]) == (False, True)


async def test_an_unknown_name_is_refused_with_the_valid_names(outbox):
    code, _, errors = await outbox("destination", "pause", "mata")
    assert (code, errors) == (2, "outbox: there is no destination of that name; choose one of: ga4, meta\n")
    code, _, errors = await outbox("destination", "pause", "meta", "--step", "signed_in")
    assert code == 2
    assert "choose one of: account_created, " in errors

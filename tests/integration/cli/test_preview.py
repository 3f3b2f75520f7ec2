"""`outbox preview`: the payload on the screen, with where each field comes from."""

from __future__ import annotations

import json


async def test_the_payload_is_shown_with_where_each_field_comes_from(outbox, spine):
    spine.record(name="lead_submitted", event_id="one", lead_id="L1", person={"email": "ada@example.com"})
    code, out, _ = await outbox("preview", "one")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["meta:", "would", "be", "sent"] in lines
    assert ["event_name", "Lead", "configuration"] in lines
    assert ["event_id", "one", "this", "event"] in lines
    assert any(line[:1] == ["user_data.em"] and line[-3:] == ["(shown", "in", "part)"] for line in lines)
    assert "ada@example.com" not in out


async def test_it_says_why_nothing_would_be_sent(outbox, spine):
    event_id = spine.record(name="lead_submitted", event_id="nobody")
    code, out, _ = await outbox("preview", str(event_id))
    assert code == 0
    assert "meta: failed: insufficient identity" in out


async def test_json_has_every_event_of_that_id(outbox, spine):
    spine.record(name="lead_submitted", event_id="both", lead_id="L1")
    spine.record(name="email_verified", event_id="both", lead_id="L1")
    code, out, _ = await outbox("preview", "both", "--json")
    assert code == 0
    found = json.loads(out)
    assert [event["name"] for event in found] == ["lead_submitted", "email_verified"]
    assert [there["body"]["event_name"] for event in found for there in event["destinations"][:1]] == [
        "Lead",
        "EmailVerified",
    ]


async def test_an_event_that_is_not_there_is_said_by_the_exit_code(outbox):
    code, out, errors = await outbox("preview", "nobody")
    assert (code, out) == (1, "")
    assert "there is no such event" in errors
    code, out, _ = await outbox("preview", "nobody", "--json")
    assert (code, json.loads(out)) == (1, [])

"""`outbox preview`: the payload on the screen, with the source of each field."""

from __future__ import annotations

import json


async def test_the_payload_is_shown_with_the_source_of_each_field(outbox, spine):
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


async def test_json_contains_every_event_with_that_id(outbox, spine):
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


async def test_an_unknown_event_exits_1(outbox):
    code, out, errors = await outbox("preview", "nobody")
    assert (code, out) == (1, "")
    assert "there is no such event" in errors
    code, out, _ = await outbox("preview", "nobody", "--json")
    assert (code, json.loads(out)) == (1, [])

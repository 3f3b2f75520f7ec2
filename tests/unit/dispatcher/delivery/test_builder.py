from __future__ import annotations

import ast

import msgspec

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.delivery.builder import build
from dispatcher.destinations import registry
from dispatcher.destinations.base import Destination, Payload
from dispatcher.models import ClaimedDelivery, ClaimedEvent, Event, Route
from dispatcher.reasons import CANNOT_BUILD
from tests.support.examples import NOW, delivery
from tests.support.paths import ROOT

LEAD = Route("Lead")


def meta() -> Destination:
    return registry.create("meta", "meta", Settings.from_environment({"META_CAPI_TOKEN": "token"}), Config())


def claimed(content: object) -> ClaimedDelivery:
    event = delivery().event
    head = {name: getattr(event, name) for name in ClaimedEvent.__struct_fields__ if name != "content"}
    raw = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return ClaimedDelivery(ClaimedEvent(**head | {"account_id": "a1"}, content=msgspec.Raw(raw)))


def test_a_claimed_delivery_is_built_like_one_that_was_read():
    details = {"form": "demo"}
    built = build(meta(), claimed([None, None, None, details, None]), None, LEAD, NOW)
    read = build(meta(), delivery(account_id="a1", details=details), None, LEAD, NOW)
    assert isinstance(built, Payload)
    assert isinstance(read, Payload)
    assert built.body == read.body


def test_its_payload_keeps_no_mapping_of_the_event():
    one = claimed([None, None, None, {"form": "demo"}, None])
    built = build(meta(), one, None, LEAD, NOW)
    assert isinstance(built, Payload)
    assert built.delivery is one


def test_an_event_that_raises_an_error_fails_alone():
    assert build(meta(), claimed(b"[1,"), None, LEAD, NOW) == CANNOT_BUILD
    assert build(meta(), claimed([None, None, None, ["no", "mapping"], None]), None, LEAD, NOW) == CANNOT_BUILD


def test_an_event_as_claimed_and_an_event_as_read_are_two_types():
    assert "content" not in Event.__struct_fields__
    assert not {"sealed", "visitor", "campaign", "details", "consent"} & set(ClaimedEvent.__struct_fields__)


def test_nothing_else_builds():
    calls = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "dispatcher").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (node.func.attr == "build_merge" or ast.unparse(node.func).endswith("destination.build"))
    }
    assert calls == {"dispatcher/delivery/builder.py"}

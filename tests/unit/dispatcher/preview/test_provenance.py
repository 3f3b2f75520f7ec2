"""Where each field of a payload comes from."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from dispatcher.identity.keys import Key, Kind
from dispatcher.identity.profile import profile_from_event
from dispatcher.models import Route
from dispatcher.preview.provenance import Provenance
from tests.support.examples import NOW, event
from tests.support.payload_fields import FIELDS

SOURCE = event(id=7, occurred_at=NOW - timedelta(hours=3), handl_id="H", account_id="A")


def provenance(borrowed=(), source=SOURCE, *, owner=None, **fields):
    """Where the fields of `event(**fields)` come from, with the fields `borrowed` taken from `source`."""
    own = event(**fields)
    profile = msgspec.structs.replace(profile_from_event(own), account_id=owner or own.account_id)
    return Provenance(own, profile, dict.fromkeys(borrowed, source.id), {source.id: source})


@pytest.mark.parametrize(
    ("path", "fields", "source"),
    [
        ("event_id", {}, "this event"),
        ("event_name", {}, "configuration"),
        ("events.name", {}, "configuration"),
        ("events.timestamp_micros", {}, "this event"),
        ("user_data.em", {"sealed": {"meta": {"em": ["x"]}}}, "this event"),
        ("user_data.fbc", {"visitor": {"fbclid": "x"}}, "this event, made from its fbclid"),
        ("client_id", {}, "derived from the event's own key"),
        ("consent.ad_user_data", {}, "configuration (OUTBOX_CONSENT_DEFAULT)"),
        ("consent.ad_user_data", {"consent": {"ad_user_data": "denied"}}, "this event"),
        ("action_source", {}, "derived"),
        ("action_source", {"details": {"action_source": "email"}}, "this event"),
        ("custom_data.value", {}, "configuration"),
        ("custom_data.value", {"details": {"value": 0}}, "this event"),
        ("custom_data.lead_source", {}, "derived"),
        ("custom_data.lead_source", {"campaign": {"source": "x"}}, "this event"),
        ("custom_data.fixed", {}, "configuration"),
        ("custom_data.content_category", {"details": {"product": "x"}}, "this event"),
        ("events.params.transaction_id", {}, "derived"),
        ("events.params.transaction_id", {"details": {"order_id": "1"}}, "this event"),
        ("user_id", {"account_id": "A"}, "this event"),
    ],
)
def test_a_field_comes_from_the_event_the_configuration_or_is_derived(path, fields, source):
    assert provenance(**fields).source_of(path, Route("Lead", {"fixed": 1}), FIELDS) == source


@pytest.mark.parametrize(
    ("fields", "source"),
    [
        ({"handl_id": "H"}, "event 7, 2 h earlier, same browser"),
        ({"account_id": "A"}, "event 7, 2 h earlier, same account"),
        ({"lead_id": "L"}, "event 7, 2 h earlier, same person"),
        ({"handl_id": "H", "occurred_at": NOW - timedelta(hours=3)}, "event 7, at the same time, same browser"),
        ({"handl_id": "H", "occurred_at": NOW - timedelta(days=3)}, "event 7, 2 d later, same browser"),
    ],
)
def test_a_borrowed_field_names_its_event_how_far_apart_it_is_and_what_they_share(fields, source):
    assert provenance(["em"], **fields).source_of("user_data.em", None, FIELDS) == source


def test_a_route_may_set_the_action_source():
    assert (
        provenance().source_of("action_source", Route("Subscribe", action_source="system_generated"), FIELDS)
        == "configuration"
    )


@pytest.mark.parametrize(
    ("stated", "route", "sent", "source"),
    [
        (
            "website",
            None,
            "other",
            "derived: the event states website, but user agent and page of its visit are not known",
        ),
        ("moon", None, "other", "derived: what the event states does not hold"),
        ("email", None, "email", "this event"),
        ("chat", "website", "chat", "this event"),
        (None, "website", "other", "derived"),
        (None, "website", "website", "configuration"),
    ],
)
def test_an_action_source_that_does_not_hold_is_noted(stated, route, sent, source):
    found = provenance(details={"action_source": stated})
    assert found.source_of("action_source", Route("Lead", action_source=route), FIELDS, sent) == source


def test_an_account_from_sign_in_history_is_named_as_such():
    source = provenance(owner="A", handl_id="H").source_of("user_id", None, FIELDS)
    assert source == "the account that signed in on this browser or lead"


KEYS = (
    Key(Kind.ACCOUNT, "A"), Key(Kind.HANDL, "H"), Key(Kind.LEAD, "L1"), Key(Kind.LEAD, "L2")
)  # fmt: skip


def test_own_and_other_external_ids_are_listed_apart():
    own = event(account_id="A", handl_id="H")
    profile = msgspec.structs.replace(profile_from_event(own), keys=KEYS)
    source = Provenance(own, profile, {}, {}).source_of("user_data.external_id", None, FIELDS)
    assert source == "this event's account, handlID and 2 more of the same person"

"""A conversion as JSON: what is written, what is left out with a note, what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

import outbox
from outbox.encoding import MAX_DEPTH, clean, encode, encode_all

AT = datetime(2026, 5, 24, 12, 30, tzinfo=timezone(timedelta(hours=2)))


def encoded(conversion, **options):
    return json.loads(encode(conversion, **options))


def test_only_what_is_known_is_told():
    event = encoded(outbox.EmailVerified())
    assert event.pop("name") == "email_verified"
    assert UUID(event.pop("event_id"))
    assert event == {}


def test_every_conversion_without_an_event_id_gets_one_of_its_own():
    conversion = outbox.EmailVerified()
    assert encoded(conversion)["event_id"] != encoded(conversion)["event_id"]


def test_everything_known_is_written_under_the_names_that_sql_takes():
    conversion = outbox.LeadSubmitted(
        event_id="e",
        occurred_at=AT,
        handl_id="h",
        lead_id=17,
        account_id="a",
        person=outbox.Person(email="ada@example.com", country="CY"),
        visitor=outbox.Visitor(ip="203.0.113.7"),
        campaign=outbox.Campaign(source="facebook"),
        consent={"ad_user_data": "granted", "ad_personalization": "denied"},
        form="f",
    )
    event = encoded(conversion)
    sealed = event.pop("sealed")
    assert event == {
        "name": "lead_submitted",
        "event_id": "e",
        "occurred_at": "2026-05-24T10:30:00+00:00",
        "handl_id": "h",
        "lead_id": "17",
        "account_id": "a",
        "visitor": {"ip": "203.0.113.7"},
        "campaign": {"source": "facebook"},
        "consent": {"ad_user_data": "granted", "ad_personalization": "denied"},
        "details": {"form": "f"},
    }
    assert set(sealed) == {"meta", "google", "country"}
    assert sealed["country"] == "cy"


def test_nothing_raw_of_a_person_is_told():
    person = outbox.Person(
        email="Ada.Lovelace@Example.com", phone="+357 22 123456", first_name="Ada", last_name="Lovelace",
        city="Limassol", postal_code="3036", date_of_birth="1990-12-10", gender="female",
    )  # fmt: skip
    text = encode(outbox.LeadSubmitted(event_id="e", person=person)).decode().lower()
    for raw in ("lovelace", "22123456", "22 123456", "limassol", "1990", "female"):
        assert raw not in text


def test_a_visitor_s_ids_campaign_and_consent_stand_in_where_the_conversion_has_none():
    visitor = outbox.Visitor(
        event_id="page", handl_id="page", campaign=outbox.Campaign(source="page"), consent={"ad_user_data": "denied"}
    )
    event = encoded(outbox.LeadSubmitted(visitor=visitor))
    assert (event["event_id"], event["handl_id"]) == ("page", "page")
    assert (event["campaign"], event["consent"]) == ({"source": "page"}, {"ad_user_data": "denied"})
    event = encoded(
        outbox.LeadSubmitted(
            visitor=visitor, event_id="own", handl_id=1, campaign=outbox.Campaign(medium="own"),
            consent={"ad_personalization": True},
        )
    )  # fmt: skip
    assert (event["event_id"], event["handl_id"]) == ("own", "1")
    assert (event["campaign"], event["consent"]) == ({"medium": "own"}, {"ad_personalization": "granted"})


@pytest.mark.parametrize(
    "consent",
    [
        False, "granted", ["granted"], 1, {"ad_user_data": "perhaps"}, {"ad_user_data": 1.5}, {"ad_user_data": ["granted"]},
        {}, {"ad_user_data": None}, {"ad_user_data": ""}, {"marketing": "granted"}, {"ad_user_dat": "granted"},
    ],
)  # fmt: skip
def test_a_consent_that_cannot_be_understood_is_a_no(consent):
    event = encoded(outbox.LeadSubmitted(consent=consent, visitor=outbox.Visitor(consent={"ad_user_data": "granted"})))
    assert event["consent"]["ad_user_data"] == "denied"
    assert event["notes"]


def test_no_consent_is_absent():
    assert "consent" not in encoded(outbox.LeadSubmitted(consent=None))


@pytest.mark.parametrize(
    ("value", "meaning"),
    [(value, "granted") for value in ("granted", " GRANTED", True, "true", "yes", "y", "on", 1, "1")]
    + [(value, "denied") for value in ("denied", False, "FALSE", "no", "n", "off", 0, "0")],
)
def test_a_signal_is_read_in_every_usual_form(value, meaning):
    event = encoded(outbox.LeadSubmitted(consent={"ad_storage": value}))
    assert event["consent"] == {"ad_storage": meaning}
    assert "notes" not in event


def test_a_misspelt_signal_beside_others_is_noted_without_its_name():
    event = encoded(outbox.LeadSubmitted(consent={"ad_user_data": "granted", "secret@example.com": "denied"}))
    assert event["consent"] == {"ad_user_data": "granted"}
    assert len(event["notes"]) == 1
    assert "secret" not in event["notes"][0]


def test_notes_of_visitor_person_and_details_stand_together_and_quote_nothing():
    event = encoded(
        outbox.LeadSubmitted(
            visitor=outbox.Visitor(fbp="secret"),
            person=outbox.Person(phone="secret"),
            lead_id=b"secret",
            details={"x": b"secret", "secret@example.com": b"secret"},
        )
    )
    assert {note.partition(":")[0] for note in event["notes"]} == {
        "fbp",
        "person.phone",
        "lead_id",
        "details",
        "details.x",
    }
    assert "secret" not in json.dumps(event)


def test_the_region_reads_national_numbers():
    conversion = outbox.LeadSubmitted(person=outbox.Person(phone="22 123456"))
    assert encoded(conversion, region="CY")["sealed"]["google"]["sha256_phone_number"]
    assert not encoded(conversion)["sealed"]["google"]


def test_many_are_one_array():
    conversions = [outbox.LeadSubmitted(event_id=str(number)) for number in range(3)]
    assert json.loads(encode_all(conversions)) == [encoded(conversion) for conversion in conversions]
    assert encode_all([]) == b"[]"


@pytest.mark.parametrize("name", ["lead_submitted\0", "lead\ud800_submitted"])
def test_a_name_is_written_without_what_cannot_be_stored(name):
    assert encoded(outbox.Conversion(name=name))["name"] == "lead_submitted"


def test_an_error_names_the_field_and_says_what_to_do():
    with pytest.raises(outbox.ConversionError) as caught:
        encode(outbox.LeadSubmitted(occurred_at=datetime(2026, 5, 24)))  # noqa: DTZ001
    assert caught.value.field == "occurred_at"
    assert str(caught.value) == ("occurred_at: expected an aware datetime; give it a time zone, e.g. datetime.now(UTC)")
    assert isinstance(caught.value, outbox.OutboxError)
    assert isinstance(caught.value, ValueError)


def test_the_time_of_a_conversion_is_written_in_utc_to_the_microsecond():
    at = datetime(2026, 5, 24, 0, 0, 0, 1, tzinfo=timezone(timedelta(hours=-11)))
    assert encoded(outbox.LeadSubmitted(occurred_at=at))["occurred_at"] == "2026-05-24T11:00:00.000001+00:00"
    assert encoded(outbox.LeadSubmitted(occurred_at=datetime(1970, 1, 1, tzinfo=UTC)))["occurred_at"].startswith(
        "1970-01-01T00"
    )


def test_what_is_clean_stays_as_it_is():
    notes = []
    value = {"a": [1, 2.5, True, "é"], "b": {"c": {"d": "e"}}}
    assert clean(value, "details", notes) == value
    assert notes == []


def test_depth_is_bounded():
    value = "leaf"
    for _ in range(MAX_DEPTH):
        value = {"a": value}
    assert clean(value, "details", []) == value
    notes = []
    assert "leaf" not in json.dumps(clean({"a": value}, "details", notes))
    assert notes == ["details.a.a.a.a: nested too deeply, left out"]

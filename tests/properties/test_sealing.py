"""For any values of a person, sealing is safe and deterministic."""

import re
import unicodedata

import phonenumbers
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from outbox import phone_numbers
from outbox.person import Person
from outbox.sealing import seal
from tests.support.strategies import (
    PERSON_FIELDS,
    addresses,
    appendices,
    blanks,
    digests,
    international_numbers,
    json_values,
    names,
    numbers,
    person_values,
    persons,
    regions,
    wild_text,
)

# No deadline, because a busy machine is slow; a unit test measures the cost.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

META_KEYS = {"em", "ph", "fn", "ln", "ct", "st", "zp", "country", "db", "ge"}
GOOGLE_KEYS = {"sha256_email_address", "sha256_phone_number"}
NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
for_meta = re.compile(r"[0-9a-f]{64}(\.[A-Za-z0-9_-]{2}|\.[A-Za-z0-9_-]{8})?").fullmatch
for_google = re.compile(r"[0-9a-f]{64}").fullmatch
A_NOTE = re.compile(rf"person(\.({'|'.join(PERSON_FIELDS)}))?: [a-zA-Z0-9 ,;:_-]+").fullmatch


@unhurried
@given(persons, regions)
@example({"state": "03"}, "FR")
@example({"city": "123"}, None)
def test_gives_nothing_but_hashes_a_country_and_notes(person, region):
    sealed = seal(person, region=region)

    assert sealed.meta.keys() <= META_KEYS
    assert sealed.google.keys() <= GOOGLE_KEYS
    for digest in [*sealed.meta.values(), *sealed.google.values()]:
        assert len(digest) == 1
        assert not digest[0].startswith(NOTHING)
    assert all(for_meta(digest) for [digest] in sealed.meta.values())
    assert all(for_google(digest) for [digest] in sealed.google.values())
    assert sealed.country is None or re.fullmatch("[a-z]{2}", sealed.country)
    assert all(map(A_NOTE, sealed.notes))
    assert seal(Person(**person), region=region) == sealed


@unhurried
@given(st.one_of(json_values, st.dictionaries(st.one_of(wild_text, st.integers(), st.none()), json_values), persons))
def test_never_raises_and_notes_hold_nothing_of_what_came(person):
    assert all(map(A_NOTE, seal(person, region="US").notes))


@unhurried
@given(st.sampled_from(PERSON_FIELDS), person_values)
def test_no_note_holds_the_value(field, value):
    marked = f"{value}\u2603zq" if isinstance(value, str) else value

    for note in seal({field: marked, f"{marked}"[:30]: 1}).notes:
        assert "\u2603" not in note
        assert "zq" not in note
        assert A_NOTE(note)


@unhurried
@given(st.sampled_from(PERSON_FIELDS), wild_text)
def test_a_text_is_read_or_left_out_for_a_reason_that_we_know(field, text):
    assert not [note for note in seal({field: text}, region="DE").notes if "cannot be read" in note]


@unhurried
@given(persons, st.sampled_from(PERSON_FIELDS), digests, appendices)
def test_a_hash_stays_what_it_is(person, field, digest, appendix):
    key = next(iter(seal({field: digest}).meta))

    assert seal({**person, field: f" {digest.upper()}{appendix}"}).meta[key] == [digest + appendix]


@unhurried
@given(persons, regions)
def test_sealing_what_is_sealed_changes_nothing(person, region):
    once = seal(person, region=region)
    fields = dict(
        zip([next(iter(seal({field: "ab" * 32}).meta)) for field in PERSON_FIELDS], PERSON_FIELDS, strict=True)
    )

    again = seal({fields[key]: digest for key, [digest] in once.meta.items()})

    assert again.meta == once.meta


@unhurried
@given(st.sampled_from(PERSON_FIELDS), st.one_of(names, wild_text, addresses))
@example("last_name", "O\u0308'\u0308")
@example("city", "\u212bngstro\u0308m")
def test_composed_and_decomposed_are_the_same(field, text):
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assume(len(decomposed) <= 512)

    assert seal({field: composed}, region="US").meta == seal({field: decomposed}, region="US").meta


@unhurried
@given(addresses, blanks, blanks)
def test_of_an_address_neither_case_nor_blanks_around_it_matter(address, before, after):
    same = [address, address.upper(), address.lower(), address.swapcase(), f"{before}{address}{after}"]

    first, *others = [seal({"email": text}) for text in same]

    assert first.meta.keys() == {"em"}
    assert all(other == first for other in others)


@unhurried
@given(addresses)
def test_google_s_form_of_an_address_differs_from_meta_s_only_by_dots_at_gmail(address):
    sealed = seal({"email": address})
    local, _, domain = address.lower().partition("@")
    gmail = domain in ("gmail.com", "googlemail.com")

    if not (gmail and "." in local):
        assert sealed.google == {"sha256_email_address": sealed.meta["em"]}
    else:
        assert sealed.google == seal({"email": f"{local.replace('.', '')}@{domain}"}).google
        assert sealed.google != {"sha256_email_address": sealed.meta["em"]}


@unhurried
@given(st.sampled_from(["first_name", "last_name", "city"]), names, st.text(" .,-'\u2019\u2010_()\u200b", max_size=4))
def test_punctuation_and_spaces_in_names_do_not_matter(field, name, between):
    half = len(name) // 2
    assume(
        not any(unicodedata.category(char).startswith("M") for char in name)
    )  # an accent belongs to what precedes it
    assume(
        name.lower().count("\u03c2") == name.lower().count("\u03c3") == 0
    )  # the Greek s has a different form at the end of a word

    assert seal({field: f"{between}{name[:half]}{between}{name[half:]}"}).meta == seal({field: name}).meta


@unhurried
@given(international_numbers())
@example("+4930901820")
@example("+49 (0)30 901820")
@example("+1 000 000 0000")
@example("+39066982")
def test_the_quick_reading_of_a_number_is_the_library_s(text):
    quick = phone_numbers._plain_international(text)

    if quick is not None:
        number = phonenumbers.parse(text, None)
        assert phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) == quick
        assert phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE


FORMATS = ("E164", "INTERNATIONAL", "NATIONAL", "RFC3966")


@unhurried
@given(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), st.sampled_from(FORMATS))
def test_every_country_s_own_numbers_are_read_in_every_format(region, form):
    number = phonenumbers.example_number(region)
    text = phonenumbers.format_number(number, getattr(phonenumbers.PhoneNumberFormat, form))

    assert phone_numbers.e164(text, region) == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@unhurried
@given(numbers, regions)
def test_a_number_that_is_read_has_the_form_of_e164(text, region):
    try:
        number = phone_numbers.e164(text.strip(), region)
    except phone_numbers.LeftOut:
        return
    assert re.fullmatch(r"\+[1-9][0-9]{4,16}", number)

"""The normal form of each field, for every common spelling, and what is left out."""
# ruff: noqa: RUF001 - other alphabets are what is tested

from datetime import UTC, date, datetime
from hashlib import sha256

import pytest

from outbox.sealing import seal

EMAIL = "sha256_email_address"


def hashed(form: str) -> list[str]:
    return [sha256(form.encode()).hexdigest()]


FORMS = [  # field, value, country, Meta's form; None: left out
    ("email", " John.Smith+x@Gmail.com ", None, "john.smith+x@gmail.com"),
    ("email", "ｊｏｈｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", None, "john@example.com"),
    ("email", "\ufeffjo\u200bhn@example.com", None, "john@example.com"),
    ("email", "Jörg@Müller.DE", None, "jörg@müller.de"),
    ("email", "a@b", None, None),
    ("email", "a@b..com", None, None),
    ("email", "john@192.168.0.1", None, None),
    ("email", "John <john@example.com>", None, None),
    ("email", "john\x00@example.com", None, None),
    ("email", "jo\ud800hn@example.com", None, None),
    ("email", f"{'x' * 250}@example.com", None, None),
    ("phone", "+1 (650) 555-1212", None, "16505551212"),
    ("phone", "0016505551212", None, "16505551212"),
    ("phone", "(650)555-1212", "us", "16505551212"),
    ("phone", "650.555.1212", "us", "16505551212"),
    ("phone", 6505551212, "us", "16505551212"),
    ("phone", "01(650)123-4567", "us", "16501234567"),
    ("phone", "+1 650 555 1212 ext 5", None, "16505551212"),
    ("phone", "1-800-FLOWERS", "us", "18003569377"),
    ("phone", "020 7946 0958", "gb", "442079460958"),
    ("phone", "020 7946 0958", "us", None),
    ("phone", "+49 (0)30 901820", None, "4930901820"),
    ("phone", "0049 30 901820", "cy", "4930901820"),
    ("phone", 4915112345678, "de", "4915112345678"),
    ("phone", "35799123456", "cy", "35799123456"),
    ("phone", "99 123456", "cy", "35799123456"),
    ("phone", "447911123456", "cy", "447911123456"),
    ("phone", "８ (495) 123-45-67", "ru", "74951234567"),
    ("phone", "+٤٩٣٠٩٠١٨٢٠", None, "4930901820"),
    ("phone", "06 6982 0000", "it", "390669820000"),
    ("phone", "Ph (650) 555-1212", "us", "16505551212"),
    ("phone", "NR (650) 555-1212", "us", "16505551212"),
    ("phone", "12345", "us", None),
    ("phone", "555-1212", "us", None),
    ("phone", "+999 123456789", None, None),
    ("phone", "000-000-0000", "us", None),
    ("phone", "+1 111 111 1111", None, None),
    ("phone", "+", None, None),
    ("first_name", " Mary-Ann ", None, "maryann"),
    ("first_name", "José Luis", None, "joséluis"),
    ("last_name", "O’Brien", None, "obrien"),
    ("last_name", "O'Brien", None, "obrien"),
    ("last_name", "Мар'яненко", None, "маряненко"),
    ("last_name", "Мар\u02bcяненко", None, "маряненко"),
    ("last_name", "Tro\u0302\u0309'\u0300i", None, "trổ\u0300i"),
    ("last_name", "राज कुमार", None, "राजकुमार"),
    ("last_name", "abcdefabcdefabcdefabcdefabcdefab", None, "abcdefabcdefabcdefabcdefabcdefab"),
    ("first_name", "-", None, None),
    ("first_name", "123", None, None),
    ("first_name", "😀", None, None),
    ("city", "Stoke-on-Trent", None, "stokeontrent"),
    ("city", "Zürich", None, "zürich"),
    ("city", "東京", None, "東京"),
    ("city", "Paris 12", None, "paris12"),
    ("state", "CA", "us", "ca"),
    ("state", "US-CA", None, "ca"),
    ("state", "Washington, D.C.", "us", "dc"),
    ("state", "Puerto Rico", "us", "pr"),
    ("state", "Ontario", "ca", "on"),
    ("state", "Québec", "ca", "qc"),
    ("state", "Georgia", "us", "ga"),
    ("state", "Georgia", "ge", "georgia"),
    ("state", "Bayern", "de", "bayern"),
    ("state", "DE-BY", "de", "by"),
    ("state", "03", "fr", "03"),
    ("state", "Bavaria", "us", None),
    ("state", "--", None, None),
    ("postal_code", "37221 3312", "us", "37221"),
    ("postal_code", 94025, "us", "94025"),
    ("postal_code", 2134, "us", "02134"),
    ("postal_code", 1067, "de", "01067"),
    ("postal_code", "12345-6789", "sa", "123456789"),
    ("postal_code", "K1A-0B1", "ca", "k1a0b1"),
    ("postal_code", "〒１００−０００１", "jp", "1000001"),
    ("postal_code", "9402", "fr", "09402"),
    ("postal_code", "K1A 0B1", "us", None),
    ("postal_code", "N/A", None, None),
    ("date_of_birth", date(1997, 2, 16), None, "19970216"),
    ("date_of_birth", datetime(1997, 2, 16, 23, 59, tzinfo=UTC), None, "19970216"),
    ("date_of_birth", 19970216, None, "19970216"),
    ("date_of_birth", "1997-02-16", None, "19970216"),
    ("date_of_birth", "1997-02-16T00:00:00Z", None, "19970216"),
    ("date_of_birth", "1997-16-02", None, "19970216"),
    ("date_of_birth", "16.2.1997", None, "19970216"),
    ("date_of_birth", "16-2-1997", None, "19970216"),
    ("date_of_birth", "2/16/1997 (mm/dd/yyyy)", None, "19970216"),
    ("date_of_birth", "5/5/1990", None, "19900505"),
    ("date_of_birth", "03/04/1990", None, None),
    ("date_of_birth", "12/31/90", None, None),
    ("date_of_birth", "29.2.1997", None, None),
    ("date_of_birth", "18991231", None, None),
    ("date_of_birth", date(1, 1, 1), None, None),
    ("gender", "Mrs.", None, "f"),
    ("gender", "man", None, "m"),
    ("gender", "x", None, None),
]
KEYS = {
    "email": "em",
    "phone": "ph",
    "first_name": "fn",
    "last_name": "ln",
    "city": "ct",
    "state": "st",
    "postal_code": "zp",
    "country": "country",
    "date_of_birth": "db",
    "gender": "ge",
}


@pytest.mark.parametrize(("field", "value", "country", "form"), FORMS)
def test_brings_a_value_into_meta_s_form_or_leaves_it_out_with_a_note(field, value, country, form):
    sealed = seal({field: value, "country": country})

    assert sealed.meta.get(KEYS[field]) == (form and hashed(form))
    assert len(sealed.notes) == (form is None)
    assert all(note.startswith(f"person.{field}: ") and note.endswith(", left out") for note in sealed.notes)
    assert "cannot be read" not in " ".join(sealed.notes)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("us", "us"),
        (" GB ", "gb"),
        ("uk", "gb"),
        ("England", "gb"),
        ("usa", "us"),
        ("U.S.A.", "us"),
        ("United States of America", "us"),
        ("DEU", "de"),
        ("Deutschland", "de"),
        ("AND", "ad"),
        ("The Netherlands", "nl"),
        ("Bosnia & Herzegovina", "ba"),
        ("cote d ivoire", "ci"),
        ("Türkiye", "tr"),
        ("Turkey", "tr"),
        ("Κύπρος", "cy"),
        ("Россия", "ru"),
        ("日本", "jp"),
        ("Republic of the Congo", "cg"),
        ("Democratic Republic of the Congo", "cd"),
        ("XX", None),
        ("12", None),
        ("Atlantis", None),
        ("and the", None),
    ],
)
def test_knows_countries_by_code_and_name(text, code):
    sealed = seal({"country": text})

    assert sealed.country == code
    assert sealed.meta == ({"country": hashed(code)} if code else {})
    assert sealed.notes == (() if code else ("person.country: not a country we know, left out",))


@pytest.mark.parametrize(
    ("email", "form"),
    [
        ("John.Smith@Gmail.com", "johnsmith@gmail.com"),
        ("J.o.h.n+x@googlemail.com", "john+x@googlemail.com"),
        ("john.smith@example.com", "john.smith@example.com"),
        ("john.smith@gmail.com.example.com", "john.smith@gmail.com.example.com"),
        ("john smith@example.com", "johnsmith@example.com"),
    ],
)
def test_gives_google_its_own_form_of_an_address(email, form):
    assert seal({"email": email}).google == {EMAIL: hashed(form)}


def test_an_address_with_a_space_in_it_goes_to_google_only():
    sealed = seal({"email": "john smith@example.com"})

    assert not sealed.meta
    assert sealed.notes == ("person.email: an address with a space, which is not valid at Meta, left out",)


def test_a_gmail_address_of_dots_alone_is_none():
    assert not seal({"email": "...@gmail.com"}).google


@pytest.mark.parametrize(
    ("person", "region", "form"),
    [
        ({"phone": "020 7946 0958"}, "GB", "442079460958"),
        ({"phone": "020 7946 0958"}, "gb", "442079460958"),
        ({"phone": "020 7946 0958", "country": "UK"}, "US", "442079460958"),
        ({"phone": "+44 20 7946 0958", "country": "US"}, "US", "442079460958"),
        ({"phone": "020 7946 0958"}, None, None),
        ({"phone": "020 7946 0958"}, "no region", None),
        ({"phone": "020 7946 0958", "country": "Atlantis"}, "GB", None),
        ({"phone": "020 7946 0958", "country": hashed("gb")[0]}, "GB", None),
    ],
)
def test_reads_a_national_number_by_the_person_s_country_else_the_default_region(person, region, form):
    assert seal(person, region=region).meta.get("ph") == (form and hashed(form))


def test_gives_google_the_number_with_its_plus():
    assert seal({"phone": "(650) 555-1212"}, region="US").google == {"sha256_phone_number": hashed("+16505551212")}

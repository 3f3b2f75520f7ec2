"""Sealing: the documented vectors, already hashed values, no leaks, and no exceptions."""

import math
import subprocess
import sys
import time
import traceback
from collections import UserDict
from datetime import date

import msgspec
import pytest
import rich
import rich.console

from outbox.person import Person
from outbox.sealing import Sealed, seal

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
EMAIL, PHONE = "sha256_email_address", "sha256_phone_number"

# Published by Meta, Snap (whose rules for these are the same) and others, or computed with hashlib.
META_VECTORS = [
    ({"email": "John_Smith@gmail.com"}, "em", "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"),
    ({"email": "Person@Example.com"}, "em", "542d240129883c019e106e3b1b2d3f3cb3537c43c425364de8e951d5a3083345"),
    ({"phone": "US (650)555-1212"}, "ph", "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"),
    ({"phone": "+001 (616) 954-78 88"}, "ph", "bb2fa2e6d2cea4746530c99686d0c7886ab2019875dca2d7e9e171c0e6ada00d"),
    ({"phone": "+44 20 7946 0958"}, "ph", "35e206e5dec4c89b9e8b71b8c32724a5bb518483ac5a20c6617d738375b3b823"),
    ({"phone": "+44 844 412 4653"}, "ph", "dc008fda46e2e64002cf2f82a4906236282d431c4f75e5b60bfe79fc48546383"),
    ({"first_name": "Mary"}, "fn", "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec"),
    ({"first_name": "정"}, "fn", "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14"),
    ({"first_name": "Valéry"}, "fn", "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"),
    ({"first_name": "Vale\u0301ry"}, "fn", "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"),
    ({"first_name": "a b"}, "fn", "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603"),
    ({"date_of_birth": "2/16/1997"}, "db", "01acdbf6ec7b4f478a225f1a246e5d6767eeab1a7ffa17f025265b5b94f40f0c"),
    ({"country": "United States"}, "country", "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"),
    ({"country": "UK"}, "country", "0b407281768f0e833afef47ed464b6571d01ca4d53c12ce5c51d1462f4ad6677"),
    ({"gender": "Male"}, "ge", "62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a"),
    ({"gender": "F"}, "ge", "252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111"),
    ({"city": "    Menlo-Park  "}, "ct", "0007a3d64c01e23d5075203c5977c14e4f7e01a3fc570686fcc50b5e1dd42685"),
    ({"city": "St. Louis"}, "ct", "8ba24bdf99947996f3000259be455de791b06fcc0e802ce05031030df1ee8ea3"),
    ({"city": "New York"}, "ct", "350c754ba4d38897693aa077ef43072a859d23f613443133fecbbd90a3512ca5"),
    ({"city": "O'Fallon"}, "ct", "1b8e6c06c6f640c47f70fe9fc61a3824c5dabf103fec15fa58e5b5430bf89d04"),
    ({"city": "São Paulo"}, "ct", "3eda1428ae1aece064071f8d40f08fe2bc59ffa66c171a163caf15122ec4d7f0"),
    ({"state": "California"}, "st", "6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126"),
    ({"state": "N.Y."}, "st", "1b06e2003f8420d6fa42badd8f77ec0f706b976b7a48b13c567dc5a559681683"),
    ({"postal_code": "94025-1234"}, "zp", "b9a9cf3cd3723a2e91b7c23ecf68456e872b6e5d86e5cab7f3d45a7302da32c7"),
    ({"postal_code": "37221-3312"}, "zp", "4c8aef49c98ac36122e884c4bb76b30384118053921db0ffd3ec31c4f1d93a40"),
    ({"postal_code": "M1 1AE"}, "zp", "1dc694c2070e697769fb959b50671d76cafd430d8ca191fbdd0affcaea344ac5"),
    ({"postal_code": "SW1A 1AA"}, "zp", "830e1d4b9838bab1f5c2acdb23e0b502ff13a9832c4632e8d67a1d43d3b7f614"),
]
GOOGLE_VECTORS = [
    ({"phone": "+1 (650) 555-1212"}, PHONE, "1e231c66011e7a2d867a9cfae267a6aff103cf4913640b6e71a99850fc0ffbc8"),
    ({"phone": "+44 20 7946 0958"}, PHONE, "f0bf0228144d9fe2bdf1da2d8ca698f17bf1410ee688b075c27062e47b6f0b6d"),
    ({"email": "John.Smith@gmail.com"}, EMAIL, "3586de92bb3636d0885a12eff961429a32e4ebd764b96f50d85d016f9338d586"),
]
# The other halves of the pairs on which Meta's libraries disagree, and the hash of an empty text.
NEVER_GIVEN = [
    ({"first_name": "a b"}, "fn", "c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65"),
    ({"first_name": "Anna Maria"}, "fn", "dfa29cee752c3d2bb1a935e9ea1a3d474b5634a9086fd5cc66be4178dffa865f"),
    ({"city": "O'Fallon"}, "ct", "b4f0fab0e1cdc1c65abfd85167633f8a5638e1cc44f01f1a14cedc792edd0baa"),
    ({"city": "São Paulo"}, "ct", "4a287883aa51936209f313e4c62d9b38b41b7df896dfdff33b98dc1a86607668"),
    ({"city": "São Paulo"}, "ct", "8f7f2f7ccd3f2898cf4850905346e8fb333d00aac1c974f8f37326e068cf7b1e"),
    ({"state": "03"}, "st", EMPTY),
    ({"city": "123"}, "ct", EMPTY),
]


@pytest.mark.parametrize(("person", "key", "digest"), META_VECTORS)
def test_gives_the_vectors_for_meta(person, key, digest):
    assert seal(person).meta == {key: [digest]}


@pytest.mark.parametrize(("person", "key", "digest"), GOOGLE_VECTORS)
def test_gives_the_vectors_for_google(person, key, digest):
    assert seal(person).google == {key: [digest]}


@pytest.mark.parametrize(("person", "key", "digest"), NEVER_GIVEN)
def test_decides_where_the_libraries_disagree(person, key, digest):
    assert digest not in seal(person).meta.get(key, [])


HASH = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
RAW = {
    "email": "secret@example.com",
    "phone": "+44 7400 123456",
    "first_name": "Secretia",
    "last_name": "Secretson",
    "city": "Secretville",
    "state": "Secretshire",
    "postal_code": "SE1 9ZZ",
    "country": "United Kingdom",
    "date_of_birth": "1981-12-30",
    "gender": "female",
}


def test_seals_a_whole_person():
    sealed = seal(Person(**RAW))

    assert list(sealed.meta) == ["country", "em", "ph", "fn", "ln", "ct", "st", "zp", "db", "ge"]
    assert list(sealed.google) == [EMAIL, PHONE]
    assert (sealed.country, sealed.notes) == ("gb", ())
    assert seal(RAW) == sealed == seal(UserDict(RAW))


def test_what_is_missing_or_blank_is_no_news():
    assert (
        seal(Person())
        == seal({})
        == seal(dict.fromkeys(RAW))
        == seal(dict.fromkeys(RAW, " \n"))
        == Sealed(meta={}, google={})
    )


@pytest.mark.parametrize("field", RAW)
@pytest.mark.parametrize("appendix", ["", ".AQ", ".AQQAAQEA", ".a-b_C123"])
def test_passes_hashes_on_with_their_appendix(field, appendix):
    sealed = seal({field: f" {HASH.upper()}{appendix} "})

    assert list(sealed.meta.values()) == [[HASH + appendix]]


def test_a_hash_goes_to_google_only_where_both_hash_the_same_form():
    assert seal({"email": f"{HASH}.AQQAAQEA"}).google == {EMAIL: [HASH]}
    assert seal({"phone": HASH}).google == {}
    assert seal({"phone": HASH}).notes == ("person.phone: hashed already, Google hashes another form, left out there",)


@pytest.mark.parametrize(
    ("value", "note"),
    [
        (EMPTY, "the hash of an empty text"),
        (f"{EMPTY.upper()}.AQ", "the hash of an empty text"),
        ("5d41402abc4b2a76b9719d911017c592", "a hash that is not SHA-256"),
        ("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d", "a hash that is not SHA-256"),
        (HASH * 2, "a hash that is not SHA-256"),
    ],
)
@pytest.mark.parametrize("field", RAW)
def test_leaves_out_hashes_of_nothing_and_of_other_kinds(field, value, note):
    assert seal({field: value}) == Sealed(meta={}, google={}, notes=(f"person.{field}: {note}, left out",))


def test_names_of_fields_that_nobody_expected_are_counted_not_shown():
    sealed = seal({"first_name": "Ann", "john@example.com": 1, "john_smith": 2, "zip": "94025", 5: 6})

    assert list(sealed.meta) == ["fn"]
    assert sealed.notes == (
        "person: no field zip, left out; it is called postal_code",
        "person: unknown fields, left out: 3",
    )


@pytest.mark.parametrize(
    "person", [None, 5, "john@example.com", b"x", [("email", "john@example.com")], object(), math.nan]
)
def test_what_is_no_person_is_noted(person):
    assert seal(person) == Sealed(meta={}, google={}, notes=("person: neither a person nor a mapping, left out",))


class Hostile(str):
    """An object whose every method raises."""

    __slots__ = ()

    def refuse(self, *_args: object, **_kwargs: object) -> None:
        raise RuntimeError(RAW["email"])

    __eq__ = __ne__ = __len__ = __iter__ = __getitem__ = __contains__ = __str__ = __repr__ = refuse
    __hash__ = strip = lower = isascii = translate = encode = refuse


class HostileMapping(UserDict):
    def __contains__(self, key: object) -> bool:
        raise RuntimeError(RAW["email"])


class HostileDate(date):
    @property
    def year(self) -> int:
        raise RuntimeError(RAW["email"])


def nested(depth: int) -> object:
    value: object = "x"
    for _ in range(depth):
        value = [value]
    return value


STRANGE = [
    *(True, False, 0, -1, 1, 10**30, -(10**5000), 1.5, math.nan, math.inf, 94025.0, 2j),
    *(b"john@example.com", bytearray(b"x"), object(), object, [], ["john@example.com"], {}, {"a": "b"}, (), {1}),
    *("\x00", "\ud800", "a\udfffb@example.com", "\u202e", "\u0301", "+\u0662", "x" * 513, "\U000e0001" * 9),
    *(date.min, date.max, HostileDate(1997, 2, 16), Hostile("john@example.com"), Hostile(""), nested(100_000)),
]


@pytest.mark.parametrize("field", RAW)
@pytest.mark.parametrize("value", STRANGE, ids=range(len(STRANGE)))
def test_never_raises_whatever_a_field_holds(field, value):
    for person in ({field: value}, Person(**{field: value})):
        sealed = seal(person, region="GB")
        assert isinstance(sealed, Sealed)
        assert len(sealed.notes) <= 1


REGIONS = [None, "", "XX", "\ud800", 5, b"GB", ["GB"], Hostile("GB"), "GB" * 10**6]


@pytest.mark.parametrize("region", REGIONS, ids=range(len(REGIONS)))
def test_never_raises_whatever_the_region_is(region):
    assert "em" in seal(RAW, region=region).meta
    assert "fn" in seal({"phone": "020 7946 0958", "first_name": "Ann"}, region=region).meta


def test_never_raises_whatever_a_mapping_does():
    assert seal(HostileMapping(RAW)).notes == ("person: cannot be read, left out",)


def test_of_a_text_that_claims_to_be_another_only_the_text_counts():
    assert seal({"email": Hostile("john@example.com")}).meta == seal({"email": "john@example.com"}).meta


@pytest.mark.parametrize("field", RAW)
@pytest.mark.parametrize("text", ["x", " ", "1", "+1", "a@", "\u200b", "é", "\ud800", "(", "1 ", "- "])
def test_ten_megabytes_cost_nothing(field, text):
    huge, long = text * (10**7 // len(text)), (text * 512)[:512]
    seal({field: text}, region="US")  # load what is loaded once
    began = time.process_time()

    assert seal({field: huge}, region="US").notes == (f"person.{field}: too long, left out",)
    seal({field: long}, region="US")

    assert time.process_time() - began < 0.2


def test_shows_nothing_of_a_person():
    person = Person(**RAW)
    sealed = seal(person)
    console = rich.console.Console(width=500)
    with console.capture() as printed:
        console.print(person, sealed, [person])
    shown = [repr(person), str(person), f"{person}", f"{[person]!r}", repr(sealed), str(sealed), printed.get()]

    for text in shown:
        assert not [value for value in RAW.values() if value in text]
        assert not [digest for digests in sealed.meta.values() for digest in digests if digest in text]
    assert repr(Person(email="a", city="b")) == "Person(email=…, city=…)"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Person(*RAW.values()),
        lambda: Person(**RAW, nickname=RAW["first_name"]),
        lambda: setattr(Person(**RAW), "email", RAW["email"]),
        lambda: Person(**RAW) < Person(**RAW),
        lambda: Person(**RAW).nickname,
        lambda: Person(**RAW)[0],
    ],
)
def test_an_error_shows_nothing_of_a_person(wrong):
    with pytest.raises((TypeError, AttributeError)) as caught:
        wrong()

    shown = "".join(traceback.format_exception(caught.value))
    assert not [value for value in RAW.values() if value in shown]


def test_a_person_is_a_value():
    assert Person(**RAW) == Person(**RAW)
    assert hash(Person(**RAW)) == hash(Person(**RAW))
    with pytest.raises(AttributeError):
        Person().email = "other@example.com"


def test_gives_the_shape_that_the_log_keeps():
    sealed = seal({"email": "john@example.com", "country": "cy", "gender": "?"})

    assert msgspec.json.decode(msgspec.json.encode(sealed.to_json())) == {
        "meta": sealed.meta,
        "google": sealed.google,
        "country": "cy",
    }


def test_importing_costs_no_list_of_countries():
    code = "import sys, outbox.sealing; sys.exit('pycountry' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""What fields mean: names in one field, the first of several, and what is not kept."""

from __future__ import annotations

import pytest
from hypothesis import given

from dispatcher.config.default_forms import Form
from dispatcher.serve.field_mapping import understand
from dispatcher.serve.person_names import split_name
from tests.support.strategies import wild_text


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Ada Lovelace", ("Ada", "Lovelace")),
        ("  Ada   Lovelace ", ("Ada", "Lovelace")),
        ("Ada", ("Ada", None)),
        ("", (None, None)),
        ("Lovelace, Ada", ("Ada", "Lovelace")),
        ("Mary Ann Smith", ("Mary", "Smith")),
        ("Ludwig van Beethoven", ("Ludwig", "van Beethoven")),
        ("María del Carmen García", ("María", "del Carmen García")),
        ("Dr. Grace Hopper", ("Grace", "Hopper")),
        ("Martin Luther King Jr.", ("Martin", "King")),
        ("Martin Luther King, Jr.", ("Martin", "King")),
        ("Van Morrison", ("Van", "Morrison")),
        ("山田太郎", ("山田太郎", None)),
        ("please call me back as soon as you can", (None, None)),
        (",", (None, None)),
        (",,", (None, None)),
        ("Lovelace, Ada, King", ("Ada King", "Lovelace")),
    ],
)
def test_a_name_is_split(text, names):
    assert split_name(text) == names


@given(wild_text)
def test_whatever_the_name_nothing_is_made_up(text):
    for name in split_name(text):
        assert name is None or set(name.split()) <= set(text.replace(",", " ").split())


def test_fields_of_their_own_go_before_a_name_in_one():
    told = understand(Form(name="f"), {"name": ["A. Lovelace"], "first_name": ["Ada"]})
    assert told.traits == {"first_name": "Ada", "last_name": "Lovelace"}


def test_the_first_of_several_that_mean_the_same_counts():
    told = understand(Form(name="f"), {"email": ["a@example.com", "b@example.com"], "work_email": ["c@example.com"]})
    assert told.traits == {"email": "a@example.com"}


def test_what_nobody_gave_a_meaning_is_not_kept():
    told = understand(Form(name="f"), {"message": ["my card is 4111"], "password": ["x"], "price": ["1"]})
    assert (told.traits, told.keys, told.details) == ({}, {}, {"form": "f"})
    assert told.person() is None


def test_a_form_s_name_cannot_be_overwritten_by_its_defaults():
    assert understand(Form(name="f", details={"form": "g"}), {}).details == {"form": "f"}


def test_nothing_of_a_person_is_printed():
    assert "ada" not in repr(understand(Form(name="f"), {"email": ["ada@example.com"], "company": ["ada"]}))

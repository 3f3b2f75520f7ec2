"""How fields are mapped: names in one field, the first of several, and what is dropped."""

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
def test_no_part_of_a_name_is_invented(text):
    for name in split_name(text):
        assert name is None or set(name.split()) <= set(text.replace(",", " ").split())


def test_separate_name_fields_win_over_a_full_name():
    submission = understand(Form(name="f"), {"name": ["A. Lovelace"], "first_name": ["Ada"]})
    assert submission.traits == {"first_name": "Ada", "last_name": "Lovelace"}


def test_of_several_fields_with_the_same_meaning_the_first_counts():
    submission = understand(
        Form(name="f"), {"email": ["a@example.com", "b@example.com"], "work_email": ["c@example.com"]}
    )
    assert submission.traits == {"email": "a@example.com"}


def test_a_field_without_a_meaning_is_dropped():
    submission = understand(Form(name="f"), {"message": ["my card is 4111"], "password": ["x"], "price": ["1"]})
    assert (submission.traits, submission.keys, submission.details) == ({}, {}, {"form": "f"})
    assert submission.person() is None


def test_a_form_s_name_is_not_overwritten_by_its_defaults():
    assert understand(Form(name="f", details={"form": "g"}), {}).details == {"form": "f"}


def test_personal_data_is_not_in_the_repr():
    assert "ada" not in repr(understand(Form(name="f"), {"email": ["ada@example.com"], "company": ["ada"]}))

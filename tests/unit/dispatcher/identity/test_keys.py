"""The keys that an event carries."""

from __future__ import annotations

import pytest

from dispatcher.identity.keys import Keys
from outbox.sealing import seal


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Anna.Berg@Gmail.com ", "anna.berg@gmail.com", True),
        ("anna.berg@gmail.com", "annaberg@gmail.com", False),
        ("anna.berg@gmail.com", "anna.berg+news@gmail.com", False),
    ],
)
def test_two_spellings_of_an_address_are_one_key_only_if_meta_hashes_them_alike(one, other, same):
    keys = [Keys.of(None, None, None, seal({"email": address}).to_json()).emails for address in (one, other)]
    assert (keys[0] == keys[1]) is same
    assert all(keys)

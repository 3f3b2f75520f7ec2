"""`outbox doctor` warns of accounts that are not one person's id."""

from __future__ import annotations

import pytest

from dispatcher.doctor.accounts import Accounts, check


def found(**counts):
    return [
        (each.severity.name.lower(), each.says)
        for each in check(Accounts(**{"accounts": 9, "addresses": 0, "phones": 0, "serials": 0, "cases": 0} | counts))
    ]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("addresses", "3 of 9 accounts are e-mail addresses"),
        ("phones", "3 of 9 accounts are phone numbers"),
        ("serials", "3 of 9 accounts are short serial numbers"),
        ("cases", "3 accounts differ from another only in upper and lower case"),
    ],
)
def test_each_kind_of_account_that_is_no_id_of_its_own_is_warned_of(kind, says):
    ((severity, sentence),) = found(**{kind: 3})
    assert severity == "warning"
    assert sentence.startswith(says)


def test_ids_of_their_own_are_fine_and_without_accounts_there_is_nothing_to_say():
    assert found() == [("ok", "9 accounts among the newest events: each is an id of its own.")]
    assert found(accounts=0) == []

"""Checks of the accounts that a CRM records: whether one account is one person, everywhere and for good. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dispatcher.findings import Finding, ok, warning


class Accounts(msgspec.Struct, frozen=True):
    """What the accounts of the newest events look like: a row of the query `read_accounts`."""

    accounts: int
    addresses: int
    phones: int
    serials: int
    cases: int


def check(found: Accounts) -> Iterator[Finding]:
    """Report accounts that may mix people up or give them away."""
    findings = list(_findings(found))
    if found.accounts and not findings:
        yield ok("accounts", f"{found.accounts} accounts among the newest events: each is an id of its own.")
    yield from findings


def _findings(found: Accounts) -> Iterator[Finding]:
    if found.addresses or found.phones:
        kind = "e-mail addresses" if found.addresses else "phone numbers"
        yield warning(
            "accounts",
            f"{found.addresses or found.phones} of {found.accounts} accounts are {kind}: they change, and two people may share one.",
            "Record the CRM's own id of the account. Addresses belong into person, where they are hashed.",
        )
    if found.serials:
        yield warning(
            "accounts",
            f"{found.serials} of {found.accounts} accounts are short serial numbers: those of another CRM are the same.",
            "If several systems record here, or also record leads by number elsewhere, put a prefix before the number.",
        )
    if found.cases:
        yield warning(
            "accounts",
            f"{found.cases} accounts differ from another only in upper and lower case. Here they are two people, at Meta one.",
            "Record accounts in one spelling, such as lower case.",
        )

"""What `outbox preview` must know of a kind's payloads: where each field comes from, and what of it may be shown."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class PayloadFields(msgspec.Struct, frozen=True):
    """The fields of a kind's payloads, by their dotted path or, where it says so, by the last part of it.

    Where they come from:
    `profile`: path → the name of the profile field (`dispatcher.identity.fragments`) that it is made from.
    `keys`: paths that hold all keys of the person. `account`: paths that hold the account, else the lead.
    `of_the_event`: names that the event itself always has. `of_the_funnel`: paths set by the configuration.
    `renamed`: name → where it stands in the event, as part and name, in the order in which it is looked for.

    What may be shown: everything is shortened that looks like a hash or holds an e-mail address; moreover
    `networks`, `agents`, `browsers`, `pages`: names of IP addresses, user agents, ids of a browser, and web addresses, shown in
    part. `ids`: names of the CRM's ids, shown in full whatever they look like. `parameters`: names of the objects that hold the
    event's details, under names that the CRM chose: of these only known texts are shown, and those whose name is in `safe`.
    """

    profile: Mapping[str, str] = {}
    keys: frozenset[str] = frozenset()
    account: frozenset[str] = frozenset()
    of_the_event: frozenset[str] = frozenset({"event_id"})
    of_the_funnel: frozenset[str] = frozenset()
    renamed: Mapping[str, tuple[tuple[str, str], ...]] = {}
    networks: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()
    browsers: frozenset[str] = frozenset()
    pages: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset({"event_id"})
    parameters: frozenset[str] = frozenset()
    safe: frozenset[str] = frozenset()

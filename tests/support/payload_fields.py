"""The payload fields of all kinds of destination together, for tests of what does not depend on the kind."""

from __future__ import annotations

import msgspec

from dispatcher.destinations.payload_fields import PayloadFields
from dispatcher.destinations.registry import kinds


def _together(name):
    first, *rest = (getattr(kind.fields, name) for kind in kinds().values())
    for each in rest:
        first = first | each if isinstance(first, frozenset) else {**first, **each}
    return first


FIELDS = PayloadFields(*(_together(each.name) for each in msgspec.structs.fields(PayloadFields)))

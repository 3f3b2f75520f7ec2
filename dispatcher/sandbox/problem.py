"""One thing that a destination's documented rules have against what it was sent."""

from __future__ import annotations

import msgspec

__all__ = ["Problem"]


class Problem(msgspec.Struct, frozen=True, gc=False):
    """What is wrong, and where; never the value itself, which may be personal data.

    `code` is the destination's own: `"100/2804003"` (code/subcode) for Meta, a validationCode such as
    `"VALUE_REQUIRED"` for GA4. A problem that is not `fatal` is a remark: the destination takes the event all the same.
    """

    field: str
    why: str
    code: str
    fatal: bool = True

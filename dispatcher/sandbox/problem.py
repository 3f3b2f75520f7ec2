"""One violation of a destination's documented rules."""

from __future__ import annotations

import msgspec

__all__ = ["Problem"]


class Problem(msgspec.Struct, frozen=True, gc=False):
    """The problem and its place; never the value itself, which may be personal data.

    `code` is the destination's own: `"100/2804003"` (code/subcode) for Meta, a validationCode such as
    `"VALUE_REQUIRED"` for GA4. A problem that is not `fatal` is a remark: the destination accepts the event anyway.
    """

    field: str
    why: str
    code: str
    fatal: bool = True

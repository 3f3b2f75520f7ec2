"""One violation of a destination's documented rules."""

from __future__ import annotations

import msgspec

__all__ = ["Problem"]


class Problem(msgspec.Struct, frozen=True, gc=False):
    """The problem and its place; never the value itself, which may be personal data.

    `code` is the destination's own, such as `"100/2804003"` (code/subcode) or `"VALUE_REQUIRED"`. A problem that is not `fatal` is a remark: the destination accepts the event anyway.
    """

    field: str
    why: str
    code: str
    fatal: bool = True

"""The event id of a submission that brings none: the same for the same content within `WINDOW`.

A visitor who presses the button twice, and a page that tries again after a 503, send the same content. So the id is made
of the content, and `outbox.record` keeps the first. It is made with a key, so that nobody can test a guess of who stands
behind an id; the key comes from the database's address, which all processes of an installation share. The time is that
of the first submission as far as this process knows, else the beginning of the current `WINDOW`: so processes agree, but
for a repeat that straddles such a beginning and reaches another process, which then counts twice.

A page that sends `fb_event_id` needs none of this.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from hashlib import sha256
from time import time
from uuid import UUID

WINDOW = 600.0
"""Seconds."""
MOST = 50_000
"""Submissions that are remembered at once."""


class Deduplicator:
    """Remembers what was submitted lately, as digests."""

    def __init__(self, secret: str, clock: Callable[[], float] = time) -> None:
        self._key = sha256(b"conversion-outbox repeats" + secret.encode("utf-8", "replace")).digest()
        self._clock = clock
        self._seen: dict[bytes, tuple[float, str]] = {}  # the oldest first

    def event_id(self, content: Iterable[str]) -> str:
        """Give the id of a submission with this content."""
        digest = self._digest(b"", *(text.encode("utf-8", "replace") for text in content))
        now = self._clock()
        self._forget(now)
        if known := self._seen.get(digest):
            return known[1]
        window = str(int(now // WINDOW)).encode()
        event_id = str(UUID(bytes=self._digest(digest, window)[:16], version=5))
        self._seen[digest] = (now, event_id)
        return event_id

    def _digest(self, *parts: bytes) -> bytes:
        told = b"".join(len(part).to_bytes(8) + part for part in parts)  # so that ("ab", "c") is not ("a", "bc")
        return hmac.digest(self._key, told, "sha256")

    def _forget(self, now: float) -> None:
        while self._seen:
            digest, (at, _) = next(iter(self._seen.items()))
            if at > now - WINDOW and len(self._seen) < MOST:
                return
            del self._seen[digest]

"""The event id of a submission without one: the same for the same content within `WINDOW`.

A visitor who presses the button twice, and a page that retries after a 503, send the same content. So the id is derived
from the content, and `outbox.record` keeps the first. It is a keyed hash, so that nobody can test a guess about who is
behind an id. The key is derived from the database's address, which all processes of an installation share. A process
that has seen the submission reuses its id; otherwise the id depends on the current `WINDOW`, so that processes agree. The
exception is a repeat that crosses the start of a window and reaches another process: it is counted twice.

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
MAX_REMEMBERED = 50_000
"""The largest number of submissions that are remembered."""


class Deduplicator:
    """Remembers recent submissions, as digests."""

    def __init__(self, secret: str, clock: Callable[[], float] = time) -> None:
        self._key = sha256(b"conversion-outbox repeats" + secret.encode("utf-8", "replace")).digest()
        self._clock = clock
        self._seen: dict[bytes, tuple[float, str]] = {}  # oldest first

    def event_id(self, content: Iterable[str]) -> str:
        """Return the event id of a submission with this content."""
        digest = self._digest(b"", *(text.encode("utf-8", "replace") for text in content))
        now = self._clock()
        self._forget(now)
        if seen := self._seen.get(digest):
            return seen[1]
        window = str(int(now // WINDOW)).encode()
        event_id = str(UUID(bytes=self._digest(digest, window)[:16], version=5))
        self._seen[digest] = (now, event_id)
        return event_id

    def _digest(self, *parts: bytes) -> bytes:
        framed = b"".join(len(part).to_bytes(8) + part for part in parts)  # so that ("ab", "c") is not ("a", "bc")
        return hmac.digest(self._key, framed, "sha256")

    def _forget(self, now: float) -> None:
        while self._seen:
            digest, (at, _) = next(iter(self._seen.items()))
            if at > now - WINDOW and len(self._seen) < MAX_REMEMBERED:
                return
            del self._seen[digest]

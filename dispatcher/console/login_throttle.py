"""Slows down guessing: after a few wrong tokens, each further one from the same peer means a longer wait."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

FREE = 5
"""Wrong tokens without a wait, because people mistype."""
LONGEST_SECONDS = 60.0
FORGOTTEN_SECONDS = 900.0
MAX_PEERS = 1000


class LoginThrottle:
    """Counts the recent wrong tokens of each peer: in memory only, for a bounded number of peers, never logged."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._peers: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, peer: str) -> float:
        """Return the seconds until `peer` may try again."""
        count, at = self._peers.get(peer, (0, 0.0))
        if count < FREE:
            return 0.0
        pause = min(LONGEST_SECONDS, 2.0 ** (count - FREE))
        return max(0.0, at + pause - self._clock())

    def record(self, peer: str) -> int:
        """Record a wrong token, and return how many this peer sent recently."""
        now = self._clock()
        count, at = self._peers.pop(peer, (0, now))
        count = 1 if now - at > FORGOTTEN_SECONDS else count + 1
        self._peers[peer] = (count, now)
        while len(self._peers) > MAX_PEERS:
            self._peers.popitem(last=False)
        return count

    def forget(self, peer: str) -> None:
        """Forget a peer that sent the right token."""
        self._peers.pop(peer, None)

"""Guessing is slowed down: after a few wrong tokens, each further one from the same peer costs a longer wait."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

FREE = 5
"""Wrong tokens that cost nothing: a person mistypes."""
LONGEST_SECONDS = 60.0
FORGOTTEN_SECONDS = 900.0
MOST_PEERS = 1000


class LoginThrottle:
    """How often each peer was wrong lately. Held in memory only, of a bounded number of peers, and never logged."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._peers: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, peer: str) -> float:
        """Give the seconds until `peer` may try again."""
        count, at = self._peers.get(peer, (0, 0.0))
        if count < FREE:
            return 0.0
        pause = min(LONGEST_SECONDS, 2.0 ** (count - FREE))
        return max(0.0, at + pause - self._clock())

    def note(self, peer: str) -> int:
        """Take note of a wrong token; give how many there were lately from this peer."""
        now = self._clock()
        count, at = self._peers.pop(peer, (0, now))
        count = 1 if now - at > FORGOTTEN_SECONDS else count + 1
        self._peers[peer] = (count, now)
        while len(self._peers) > MOST_PEERS:
            self._peers.popitem(last=False)
        return count

    def forget(self, peer: str) -> None:
        """Forget a peer that was right in the end."""
        self._peers.pop(peer, None)

"""Ports for servers that tests stop and start again."""

from __future__ import annotations

import random
import socket

_LOTS = random.SystemRandom()  # whatever a test seeds, processes side by side draw different ones


def settled_port() -> int:
    """Return a free port that nobody gets by chance while its server is down: below those of outgoing connections."""
    while True:
        port = _LOTS.randrange(20000, 30000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port

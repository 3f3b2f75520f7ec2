"""GA4's limits."""

from __future__ import annotations

from datetime import timedelta

from dispatcher.destinations.base import Limits

LIMITS = Limits(
    # Older events are clamped to 72 h, silently (2.2); minus five minutes as a margin.
    window=timedelta(hours=72) - timedelta(minutes=5),
    repeat=None,  # GA4 recognises repeats by transaction_id only
    batch=500,  # events per claim; 25 per request, with one envelope (2.2)
    # Nearly every event is a request of its own: those sent within the 100 ms of a round trip must be in flight together.
    concurrency=1000,
)

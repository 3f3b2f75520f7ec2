"""GA4's limits.

Source: https://developers.google.com/analytics/devguides/collection/protocol/ga4/sending-events
"""

from __future__ import annotations

from datetime import timedelta

from dispatcher.destinations.base import Limits

LIMITS = Limits(
    # Older events are clamped to 72 h, silently; minus five minutes as a margin.
    window=timedelta(hours=72) - timedelta(minutes=5),
    repeat=None,  # GA4 recognises repeats by transaction_id only
    batch=500,  # events per claim; 25 per request, with one envelope
    # Nearly every event is a request of its own: those sent within the 100 ms of a round trip must be in flight together.
    concurrency=1000,
)

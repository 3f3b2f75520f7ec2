"""Meta's limits."""

from __future__ import annotations

from datetime import timedelta

from dispatcher.destinations.base import Limits

LIMITS = Limits(
    # An event more than 7 days old fails "the entire request", and Meta processes none of its events (1.8); five minutes
    # are left for the transfer and for differing clocks.
    window=timedelta(days=7) - timedelta(minutes=5),
    # A repeat of event_name + event_id is dropped for 48 h and counted again after that (1.8); minus an hour as a margin.
    repeat=timedelta(hours=47),
    batch=1000,  # events per request (1.1)
    concurrency=4,
)

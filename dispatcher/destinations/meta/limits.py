"""Meta's limits.

Sources, below https://developers.facebook.com/docs/marketing-api/conversions-api: `using-the-api`,
`deduplicate-pixel-and-server-events`.
"""

from __future__ import annotations

from datetime import timedelta

from dispatcher.destinations.base import Limits

LIMITS = Limits(
    # An event more than 7 days old fails "the entire request", and Meta processes none of its events; five minutes are left
    # for the transfer and for differing clocks.
    window=timedelta(days=7) - timedelta(minutes=5),
    # A repeat of event_name + event_id is dropped for 48 h and counted again after that; minus an hour as a margin.
    repeat=timedelta(hours=47),
    batch=1000,  # events per request
    concurrency=4,
)

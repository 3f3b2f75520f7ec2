"""The daemon: takes what the log owes to each destination, sends it, and keeps proof of it.

One file a role: `queue` (claim and settle), `intake`, `identity`, `eligibility`, `send`, `settle`, `retry`, `daemon`; `person`,
`erase`, `rebuild` for the commands, `retention` by the `schedule`; `destinations/` one module each, `sandbox/` their local
stand-in.
"""

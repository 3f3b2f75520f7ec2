"""The checks behind `outbox doctor`: every problem that conversions are known to have, looked for in this installation.

    findings = await examine(settings, config, database_url, ask_live=False)

Each check returns findings: its name, a severity, a sentence, and what to do. The checks are pure functions; `runner`
queries the database and passes them the results.

| file | checks | known problems |
|---|---|---|
| `configuration` | settings and `outbox.toml` | 1, 6, 10, 11, 12, 15 |
| `server` | PostgreSQL: clock, rights, schema, vacuum | 4 |
| `deliveries` | what is pending, failed or halted, and how the last day went | 4, 7, 17 |
| `log` | the newest events: what they contain and what is missing | 1, 2, 5, 6, 8, 9, 13, 14, 15, 16 |
| `live` | the destinations themselves: clock, token, event names | 10, 11 |
"""

from __future__ import annotations

from dispatcher.doctor.runner import examine
from dispatcher.findings import Finding, Severity

__all__ = ["Finding", "Severity", "examine"]

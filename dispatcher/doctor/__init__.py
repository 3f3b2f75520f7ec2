"""What has ever gone wrong with conversions, looked for here; `outbox doctor` prints it.

    findings = await examine(settings, config, database_url, live=False)

Each check gives findings: its name, a verdict, a sentence, and what to do. Those that take values and give findings are
pure; `examination` asks the database and hands on what it said.

| file | looks at | complaints (destinations.md, part 4) |
|---|---|---|
| `configuration` | settings and `outbox.toml` | 1, 6, 10, 11, 12, 15 |
| `server` | PostgreSQL, its clock, rights, schema, vacuum | 4 |
| `deliveries` | what is owed, dead, halted, and how the last day went | 4, 7, 17 |
| `log` | the newest events: what they carry and what they lack | 1, 2, 5, 6, 8, 9, 13, 14, 15, 16 |
| `live` | Meta and Google themselves: clock, token, names | 10, 11 |
"""

from __future__ import annotations

from dispatcher.doctor.finding import Finding, Verdict
from dispatcher.doctor.runner import examine

__all__ = ["Finding", "Verdict", "examine"]

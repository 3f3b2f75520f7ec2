"""The configuration, `outbox.toml`: another company's funnel, its forms and its destinations, without any code.

    config = find(settings.config, os.environ)      # the file that OUTBOX_CONFIG names, else ./outbox.toml, else defaults

Without a file, everything is as the owner's taxonomy has it: `outbox.taxonomy.FUNNEL`, `dispatcher.config.default_forms.FORMS`, one pixel
and one GA4 stream; `outbox.example.toml` says the same as a file.

| file | holds |
|---|---|
| `records` | what is configured, ready for use |
| `file` | finding and reading the file |
| `tables`, `lines` | its tables as they stand there; the mistakes in them, and the lines at which they stand |
| `destinations`, `funnel`, `forms`, `schedule` | what each table may say |
| `event_names` | what each kind of destination takes as a name |
"""

from __future__ import annotations

from dispatcher.config.models import Account, Alerts, Config, ConfigError, Schedule, Serve, Stripe
from dispatcher.config.toml_file import find, load

__all__ = ["Account", "Alerts", "Config", "ConfigError", "Schedule", "Serve", "Stripe", "find", "load"]

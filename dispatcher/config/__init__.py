"""The configuration: the settings in the environment, and `outbox.toml` with a company's funnel, forms and destinations.

    config = find(settings.config, os.environ)      # the file that OUTBOX_CONFIG names, else ./outbox.toml, else defaults

Without a file the default funnel applies: `outbox.taxonomy.FUNNEL`, `dispatcher.config.default_forms.FORMS`, and one
destination of each kind that is a default. `outbox.example.toml` is the same configuration as a file.

| file | holds |
|---|---|
| `settings`, `variables` | the settings in the environment; how one is declared, read and checked |
| `kinds` | the kinds of destination: how they are found, and what the configuration knows of each |
| `models` | the configuration, ready for use |
| `toml_file` | finds and reads the file |
| `toml_tables`, `toml_lines` | the types of its tables; the mistakes in them, each with its line |
| `destinations`, `funnel`, `forms`, `schedule` | read one kind of table each |
| `default_forms` | the forms of the default funnel |
| `web_origin` | origins of web pages, and where a form may redirect |
"""

from __future__ import annotations

from dispatcher.config.models import Account, Alerts, Config, ConfigError, Schedule, Serve, Stripe
from dispatcher.config.toml_file import find, load

__all__ = ["Account", "Alerts", "Config", "ConfigError", "Schedule", "Serve", "Stripe", "find", "load"]

"""`outbox serve`: HTTP intake for a CRM without Python. Records forms and Stripe events, each in its own transaction.

| file | contains |
|---|---|
| `app` | the server: its routes, from start to stop |
| `access_log`, `errors` | what every request gets: a log line, and a response if it is refused or fails |
| `forms` | `POST /forms/{form}` from request to response |
| `body`, `field_mapping`, `person_names` | the submitted fields, and what they mean |
| `stripe` | `POST /stripe/webhook` |
| `cors`, `deduplication` | which pages may post; the event id of a submission without one |
| `recorder` | the database connections |
"""

from __future__ import annotations

from dispatcher.serve.app import running
from dispatcher.serve.recorder import NO_ANSWER, Recorder

__all__ = ["NO_ANSWER", "Recorder", "running"]

"""`outbox serve`: the way in for a CRM without Python. Forms and Stripe over HTTP, each in a transaction of its own.

| file | holds |
|---|---|
| `app` | the server: its routes, from start to stop |
| `access`, `refusal` | around every request: the log line, and the answers to what cannot be taken |
| `forms` | `POST /forms/{form}` from request to answer |
| `body`, `meaning`, `names` | the fields that were sent, and what they mean |
| `stripe` | `POST /stripe/webhook` |
| `origins`, `repeats` | which pages may post; the id of a submission that brings none |
| `recorder` | the connections to the database |
"""

from __future__ import annotations

from dispatcher.serve.app import running
from dispatcher.serve.recorder import NO_ANSWER, Recorder

__all__ = ["NO_ANSWER", "Recorder", "running"]

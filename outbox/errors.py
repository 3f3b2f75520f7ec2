"""What can be wrong with a call. An error names the field and says what to do; it never quotes a value.

OutboxError
├── ConversionError   the conversion itself cannot be written as it is
├── ConnectionTypeError   what was given to `record` is no connection that it knows
└── SignatureError   what claims to come from Stripe does not, or cannot be shown to
"""

from __future__ import annotations


class OutboxError(Exception):
    """Base of all errors of this package."""


class ConversionError(OutboxError, ValueError):
    """A structural mistake in a conversion: `field` names where it is."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class ConnectionTypeError(OutboxError, TypeError):
    """`record` was given something that is no database connection that it knows."""


class SignatureError(OutboxError, ValueError):
    """A webhook's signature does not prove that Stripe sent it just now: answer 400, and do nothing else."""

"""The errors of this package. An error names the field and says what to do; it never quotes a value.

OutboxError
├── ConversionError       the conversion has a structural mistake
├── ConnectionTypeError   `record` does not support this type of connection
└── SignatureError        the webhook is not proven to come from Stripe
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
    """`record` was given an object that is not one of the supported database connections."""


class SignatureError(OutboxError, ValueError):
    """A webhook's signature does not prove that Stripe has just sent it: answer 400, and do nothing else."""

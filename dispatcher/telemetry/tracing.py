"""Traces, by the OpenTelemetry API if it is installed; else nothing happens.

    with span("send", destination="meta", events=1000) as current:
        ...
        current["outcome"] = "delivered"

The API alone does nothing either: who wants traces installs the SDK and an exporter and starts the daemon under
`opentelemetry-instrument`. Attributes are counts, codes and our own words; never what an event holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from importlib import import_module
from typing import Any

Value = str | int | float | bool


_trace: Any = None
with suppress(ImportError):  # an optional dependency
    _trace = import_module("opentelemetry.trace")


@cache
def is_traced() -> bool:
    """Tell whether anybody has set up the SDK, before the first span; a span that nobody records would cost too much."""
    return _trace is not None and not isinstance(_trace.get_tracer_provider(), _trace.ProxyTracerProvider)


class Attributes:
    """The attributes of a span, to be set as they become known."""

    def __init__(self, current: Any = None) -> None:
        self._current = current

    def __setitem__(self, name: str, value: Value | None) -> None:
        """Set an attribute; None is left out."""
        if self._current is not None and value is not None:
            self._current.set_attribute(f"outbox.{name}", value)


_UNTRACED = nullcontext(Attributes())


def span(name: str, **attributes: Value) -> AbstractContextManager[Attributes]:
    """Trace what is done within, as `outbox.<name>`."""
    return _traced(name, attributes) if is_traced() else _UNTRACED


@contextmanager
def _traced(name: str, attributes: Mapping[str, Value]) -> Iterator[Attributes]:
    # An exception's text may quote a person's data: its kind alone is kept.
    with _trace.get_tracer("outbox").start_as_current_span(
        f"outbox.{name}",
        attributes={f"outbox.{key}": value for key, value in attributes.items()},
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        told = Attributes(current)
        try:
            yield told
        except BaseException as error:
            told["error"] = type(error).__name__
            raise

"""Traces through the OpenTelemetry API, if it is installed.

    with span("send", destination="ads", events=1000) as current:
        ...
        current["outcome"] = "delivered"

The API alone records nothing: to get traces, install the SDK and an exporter and start the daemon under
`opentelemetry-instrument`. Attributes are counts, codes and fixed texts; never the content of an event.
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
    """Return whether the SDK was set up before the first span; spans that nobody records would cost too much."""
    return _trace is not None and not isinstance(_trace.get_tracer_provider(), _trace.ProxyTracerProvider)


class Attributes:
    """The attributes of a span, set as they become known."""

    def __init__(self, current: Any = None) -> None:
        self._current = current

    def __setitem__(self, name: str, value: Value | None) -> None:
        """Set an attribute; ignore None."""
        if self._current is not None and value is not None:
            self._current.set_attribute(f"outbox.{name}", value)


_UNTRACED = nullcontext(Attributes())


def span(name: str, **attributes: Value) -> AbstractContextManager[Attributes]:
    """Trace the body of a `with` statement as `outbox.<name>`."""
    return _traced(name, attributes) if is_traced() else _UNTRACED


@contextmanager
def _traced(name: str, attributes: Mapping[str, Value]) -> Iterator[Attributes]:
    # An exception's text may quote a person's data: only its type is recorded.
    with _trace.get_tracer("outbox").start_as_current_span(
        f"outbox.{name}",
        attributes={f"outbox.{key}": value for key, value in attributes.items()},
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        attributes_of_span = Attributes(current)
        try:
            yield attributes_of_span
        except BaseException as error:
            attributes_of_span["error"] = type(error).__name__
            raise

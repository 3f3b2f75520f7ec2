"""Traces, by the OpenTelemetry API if it is installed; else nothing happens.

    with span("send", destination="meta", events=1000) as current:
        ...
        current["outcome"] = "delivered"

The API alone does nothing either: who wants traces installs the SDK and an exporter and starts the daemon under
`opentelemetry-instrument`. Attributes are counts, codes and our own words; never what an event holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

Value = str | int | float | bool


_trace: Any = None
with suppress(ImportError):  # an optional dependency
    _trace = import_module("opentelemetry.trace")


def _is_traced() -> bool:
    """Tell whether anybody has set up the SDK: a span that nobody records costs as much as a tenth of a request."""
    return _trace is not None and not isinstance(_trace.get_tracer_provider(), _trace.ProxyTracerProvider)


class Attributes:
    """The attributes of a span, to be set as they become known."""

    def __init__(self, current: Any = None) -> None:
        self._current = current

    def __setitem__(self, name: str, value: Value | None) -> None:
        """Set an attribute; None is left out."""
        if self._current is not None and value is not None:
            self._current.set_attribute(f"outbox.{name}", value)


@contextmanager
def span(name: str, **attributes: Value) -> Iterator[Attributes]:
    """Trace what is done within, as `outbox.<name>`."""
    if not _is_traced():
        yield Attributes()
        return
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

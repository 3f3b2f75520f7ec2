"""Texts that quadratic code is slow on, and a measure of how work grows with their length."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from inspect import signature
from time import process_time
from types import FrameType
from typing import Any

LARGE = 64 * 1024
SIZES = (LARGE // 16, LARGE // 4, LARGE)
FLOOR = 0.008
"""Seconds of CPU below which a difference is noise: a quadratic scan of 64 kB takes at least ten times that."""
MOST = 10
"""How much the work may grow where the input grows fourfold: 4 is linear, 16 is quadratic."""
REPEATS = 5
TICKS = 0.05
"""Seconds of CPU that a call is repeated for once it is suspected: some clocks of CPU time move in steps of 4 ms."""
STUCK = 3.0
"""Seconds of CPU after which a single call counts as stuck."""

UNITS = (
    *"aA0 \t\n.@-+_%=&;:,?#/\\\"'([{<|~$!*",
    *("\0", "\x7f", "é", "漢", "\u0301", "\u202e", "\u200b", "\uff20", "\ud800", "\U0001f9d1", "\u0660"),
    *("a@", "a@.", "@a.", ".@", "a@b.", "a@b.c", "a@b.co ", "a.", ".a", "a@1.", "@.", "a%40", "%40b.", "%40", "a b@"),
    *(';"', '"\\', '="', "a=", "a=&", "a;", "=;", "a=1&", "&=", "%25", "%", "%zz", "%u0041", "&amp;", ';a="', "\\x"),
    *("1-", "1 ", "(1)", "+1 ", "00", "+", "1.", "1/", "1 (", "0x", "1e", "1_", "-1", "+49 ", "1,", "9" * 40 + " "),
    *("fb.", "fb.1.", "fb.1.1.", "GA1.", "GS1.", "GS2.1.", "s1$", "$s", "eyJ", "eyJa", "aA1_", "aA1-", "[0]", "a[0].x"),
    *("http://", "//", "/?", "?a=", "::", "::ffff:", "xn--", "a-", "a_", "a1", "Aa", "\r\n", "--b\r\n", "\n\n", ", "),
    *(
        "a\u0430",
        "e\u0301",
        "\u0301\u0327",
        "ﬃ",
        "İ",
        "ß",
        "{}",
        "[]",
        "[[",
        "{{",
        '{"a":',
        "[1,",
        '""',
        "''",
        '"""',
        "'''",
    ),
    *(
        "a,b ",
        "de la ",
        "dr. ",
        "and ",
        "the ",
        "deadbeef",
        "utm_a=",
        "GMT ",
        "T00:",
        "2020-01-01 ",
        "$1",
        "${a}",
        "<a>",
    ),
)
"""What is repeated."""

FRAMES: tuple[tuple[str, str, str], ...] = (
    ("a@", ".", "@"), ("", ".", "@"), ("a@", "a.", "1"), ("a@", "a", ""), ("", "a", "@"), ("", "a", "!"), ("", "1", "x"),
    ("+", "1", "x"), ("+1", " ", "1"), ("+1", "(", ""), ("a", "\u0301\u0327", ""), ("a", "\u0301", "b"), ("fb.1.1.", "a", " "),
    ("fb.1.1", "1", "!"), ("fb.1.1.", "a.AQ", "!"), ("GS1.1.", "1", "x"), ("GS2.1.", "$", "s1"), ('"', "\\", ""),
    ('"', '\\"', ""), ("http://", "a", ".:"), ("http://", "a.", "/"), ("http://a/", "a;", ""), ("http://a/?", "a=1&", ""),
    ("http://a/?q=", "a@", ""), ("http://a/?q=", "1 ", "x"), ("http://a/?", "%2540", ""), ("http://[", ":", "]"),
    ("https://a.example/", "/", ""), ("https://a.example/?x=", "aA1", ""), ("https://a.example/?", "token", "=1"),
    ("name=", '";', ""), ("multipart/form-data", ';a="', ""), ("text/html", ";", ""), ("a; name=", '"\\', ""),
    ("a=", '"', ""), ("a=", "\\", ""), ("{", '"a":{', ""), ("[", "1,", "1]"), ("", "a.b.", "]"), ("x = ", "[", ""),
    ("x = ", '"', ""), ("x = '''", "'", ""), ("[", "a.", "b]"), ("x = ", "{a=", ""), ("1", "0", ".5"), ("1e", "9", ""),
    ("0.", "0", "1"), ("", " ", "x"), ("x", " ", "x"), ("x", "\n", "x"), ("US ", "(", "1"), ("1", " ", "x1"),
    ("2020", "-", "1"), ("2020-01-01", "T", ""), ("", "a, ", "b"), ("Content-Disposition: form-data", ';name="a"', ""),
    ("content-disposition:", "content-disposition:", "\n"), (" (", "0", " / )"), (" (", "1 / ", ")"), ("1", ",", " \u00d7 "),
)  # fmt: skip
"""What stands before, is repeated, and stands after it."""


def texts(size: int) -> Iterator[str]:
    """Give each nasty text, `size` characters long."""
    for before, unit, after in (*(("", unit, "") for unit in UNITS), *FRAMES):
        room = size - len(before) - len(after)
        yield before + (unit * (room // len(unit) + 1))[:room] + after


@cache
def samples() -> list[tuple[str, ...]]:
    """Give the texts in all sizes."""
    return list(zip(*(texts(size) for size in SIZES), strict=True))


class StuckError(BaseException):
    """A call took longer than any linear one may; code that catches every `Exception` does not catch it."""


@contextmanager
def limited(seconds: float = STUCK) -> Iterator[None]:
    """Raise `StuckError` once the block has used so much CPU; a regular expression is interrupted too."""

    def stop(_: int, __: FrameType | None) -> None:
        raise StuckError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def growing(work: Callable[[str], Any], clock: Callable[[], float] = process_time) -> str | None:
    """Give the first text, abridged, on which the work of `work` grows faster than their length.

    Every text is tried in three sizes, each four times the one before. A suspicion is measured again, longer, and the
    least of several times counts, so that a busy machine or a coarse clock is not taken for a slow function. The garbage
    collector is off meanwhile: where it runs, it takes longer than what is measured.
    """

    def seconds(text: str, at_least: float = 0.0) -> float:
        began, calls = clock(), 0
        while not calls or clock() - began < at_least:
            forget()
            calls += 1
            try:
                with limited():
                    work(text)
            except StuckError:
                return STUCK
            except Exception:  # noqa: BLE001 - refusing is fine; how long it took is what counts
                pass
        return (clock() - began) / calls

    with _without_collector():
        for sizes in samples():
            times: list[float] = []
            for text in sizes:
                times.append(seconds(text))
                if len(times) > 1 and _is_suspicious(*times[-2:]) and _is_confirmed(seconds, sizes, times):
                    return f"{text[:16]!r}…{text[-4:]!r}: {[round(time * 1000, 1) for time in times]} ms"
    return None


@contextmanager
def _without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _is_suspicious(before: float, after: float) -> bool:
    return after > FLOOR and after > MOST * before


def _is_confirmed(seconds: Callable[[str, float], float], sizes: tuple[str, ...], times: list[float]) -> bool:
    """Measure the last two again, until they are no longer suspicious or it is certain."""
    last = len(times) - 1
    for _ in range(REPEATS):
        for index in (last - 1, last):
            if times[index] < STUCK:
                times[index] = (max if index < last else min)(times[index], seconds(sizes[index], TICKS))
        if not _is_suspicious(*times[last - 1 :]):
            return False
    return True


@cache
def _caches() -> list[Any]:
    """Give what remembers results of ours by their arguments."""
    found = []
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in {"outbox", "dispatcher"}:
            remembering = (value for value in vars(module).values() if hasattr(value, "cache_clear"))
            found += [value for value in remembering if signature(value).parameters]
    return found


def forget() -> None:
    """Empty the caches, so that a repeat is work again."""
    for remembered in _caches():
        remembered.cache_clear()

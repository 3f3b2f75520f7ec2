"""The line of each key in a TOML file. Python's `tomllib` returns the values without their lines.

    lines(text)     # {(): 1, ("steps",): 3, ("steps", "won"): 3, ("steps", "won", "to", "ads"): 4, …}

The text must be one that `tomllib` has read: this scanner only separates keys from values.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY_PART = re.compile(r"[ \t]*([A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*')[ \t]*(\.?)")
# Three quotes end a multi-line string; up to two quotes before them still belong to it.
_STRINGS = (r'"""(?:[^\\]|\\.)*?"{3,5}', r"'''.*?'{3,5}", r'"(?:[^"\\\n]|\\.)*"', r"'[^'\n]*'")
_STRING = re.compile("|".join(_STRINGS), re.DOTALL)
_MOST_PARTS = 16
"""Parts of a path that are remembered; nothing in the file is nested so deeply."""
_SCALAR = re.compile(r"[^,\]}#\n]*")


def lines(text: str) -> dict[Path, int]:
    """Return the line, counted from 1, where each table, key and list entry first appears, by its path."""
    return _Scanner(text).found


def line_of(found: dict[Path, int], path: Path) -> int:
    """Return the line of `path`, or of the nearest table around it."""
    while path not in found:
        path = path[:-1]
    return found[path]


class _Scanner:
    def __init__(self, text: str) -> None:
        self.found: dict[Path, int] = {(): 1}
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._last: dict[Path, int] = {}  # of each array of tables, the entry that headers add to
        table: Path = ()
        while self._skip_blank() < len(text):
            if text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        is_array = self._text.startswith("[[", self._at)
        line = self._here()
        self._at += 1 + is_array
        path: Path = ()
        for name in self._key():
            if len(path) < _MOST_PARTS:
                path = self._entry((*path, name), line)
        self._at += 1 + is_array
        if is_array:
            array = path[:-1] if isinstance(path[-1], int) else path
            self._last[array] = self._last.get(array, -1) + 1
            path = (*array, self._last[array])
            self.found.setdefault(path, line)
        return path

    def _entry(self, path: Path, line: int) -> Path:
        self.found.setdefault(path, line)
        return (*path, self._last[path]) if path in self._last else path

    def _pair(self, table: Path) -> None:
        line, path = self._here(), table
        for name in self._key():
            if len(path) < _MOST_PARTS:
                path = (*path, name)
                self.found.setdefault(path, line)
        self._at += 1  # the equals sign
        self._value(path)

    def _key(self) -> Iterator[str]:
        more = True
        while more:
            match = _KEY_PART.match(self._text, self._at)
            assert match
            self._at = match.end()
            more = bool(match[2])
            yield match[1] if match[1][0] not in "\"'" else tomllib.loads(f"key = {match[1]}")["key"]

    def _value(self, path: Path) -> None:
        self._skip_blank()
        opening = self._text[self._at]
        if opening == "[":
            self._inside("]", lambda index: self._item((*path, index)))
        elif opening == "{":
            self._inside("}", lambda _: self._pair(path))
        else:
            match = (_STRING if opening in "\"'" else _SCALAR).match(self._text, self._at)
            assert match
            self._at = match.end()

    def _item(self, path: Path) -> None:
        self.found.setdefault(path, self._here())
        self._value(path)

    def _inside(self, closing: str, read: Callable[[int], None]) -> None:
        self._at += 1
        index = 0
        while self._text[self._skip_blank()] != closing:
            read(index)
            index += 1
            if self._text[self._skip_blank()] == ",":
                self._at += 1
        self._at += 1

    def _skip_blank(self) -> int:
        match = _BLANK.match(self._text, self._at)
        assert match
        self._at = match.end()
        return self._at

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

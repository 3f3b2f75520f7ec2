"""The words of the code and the pages are the field's, not a dialect of our own."""

from __future__ import annotations

import re

from tests.support.paths import ROOT

FOLDERS = ("dispatcher", "outbox", "schema", "migrations", "docs", "scripts")
FILES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "outbox.example.toml")
KINDS = {".py", ".sql", ".md", ".html", ".js", ".css", ".svg", ".toml", ".yml", ".yaml", ".json", ".service", ""}
DIALECT = re.compile(
    r"\b(owed|owes?|told|lends?|lent|lenders?|facets?|crowd(ed)?|standings?|(tell|say) whether|whom)\b", re.IGNORECASE
)

OUTSIDE = re.compile(
    r"\b(more-)?(destinations|queues|measured|house|style|design)\.md\b|\bdesign, part\b|\bowner's spec\b",
    re.IGNORECASE,
)
"""Notes that a reader of the repository does not have: name the public page, or a page of docs/."""


def texts():
    inside = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts)
    for path in (*inside, *(ROOT / name for name in FILES)):
        if path.is_file() and path.suffix in KINDS and path.name != "LICENSE":
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")


def test_no_word_of_the_old_dialect_is_left():
    found = [
        f"{path}:{number}: {match[0]}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if (match := DIALECT.search(line))
    ]
    assert found == []


def test_nothing_refers_to_notes_outside_the_repository():
    found = [
        f"{path}:{number}: {match[0]}"
        for path, text in texts()
        if path.suffix in {".py", ".sql"}
        for number, line in enumerate(text.splitlines(), 1)
        if (match := OUTSIDE.search(line))
    ]
    assert found == []


def test_the_walk_reads_every_kind_of_text():
    kinds = {path.suffix for path, _ in texts()}
    assert {".py", ".sql", ".md", ".html", ".js", ".toml", ".json"} <= kinds
    assert DIALECT.search("what is owed to it")

"""How `scripts/mutate` changes lines."""

from __future__ import annotations

from tests.mutation.operators import mutants


def lines(text, *, is_sql=False):
    return [line.strip() for _, line in mutants(text, is_sql=is_sql)]


def test_each_operator_gives_a_mutant_of_a_line():
    assert lines("    if a < b and not c:") == ["if a <= b and not c:", "if a < b or not c:", "if a < b and c:"]
    assert lines("    self.room.set()") == ["pass"]


def test_text_imports_and_log_lines_stay():
    assert lines('"""a < b\n\nand c"""\nfrom a import b  # not c\n    log.info("a < b")\n') == []


def test_sql_loses_its_locks():
    assert lines("    FOR UPDATE SKIP LOCKED), -- a < b", is_sql=True) == ["SKIP LOCKED),", "FOR UPDATE),"]
    assert lines("-- a FOR UPDATE", is_sql=True) == []

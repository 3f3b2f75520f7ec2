"""Rows of the database are read by the names of their columns, never by position."""

from __future__ import annotations

import ast

import pytest

from tests.support.paths import ROOT

RUNS = {"run", "run_once", "fetchmany", "fetchall", "execute", "stream"}
NAMED = {"only_value", "rows_as", "scalars"}
NOT_QUERIES = {
    "asyncio.run",
    "subprocess.run",
    "self._programs.run",
    "running.run",
    "daemon.run",
    "worker.run",
    "job.run",
}


def is_query(node: ast.expr) -> bool:
    """Return whether an expression is the rows of a query."""
    if isinstance(node, ast.Await):
        node = node.value
    if isinstance(node, ast.IfExp):
        return is_query(node.body)
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {"reversed", "list", "sorted", "enumerate"}:
        return is_query(node.args[0])
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in RUNS
        and ast.unparse(node.func) not in NOT_QUERIES
    )


def is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Slice) or (
        isinstance(node.operand if isinstance(node, ast.UnaryOp) else node, ast.Constant)
        and isinstance(getattr(node.operand if isinstance(node, ast.UnaryOp) else node, "value", None), int)
    )


class Positions(ast.NodeVisitor):
    """Collects where one function reads a row by position."""

    def __init__(self) -> None:
        self.rows: set[str] = set()
        self.row: set[str] = set()
        self.found: list[tuple[int, str]] = []

    def note(self, node: ast.expr | ast.stmt) -> None:
        self.found.append((node.lineno, ast.unparse(node).partition("\n")[0]))

    def are_rows(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"reversed", "list", "sorted", "enumerate"}:
            return bool(node.args) and self.are_rows(node.args[0])
        return is_query(node) or (isinstance(node, ast.Name) and node.id in self.rows)

    def is_row(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Subscript):
            return self.are_rows(node.value) and is_number(node.slice) and not isinstance(node.slice, ast.Slice)
        return isinstance(node, ast.Name) and node.id in self.row

    def bind(self, target: ast.expr, source: ast.expr) -> None:
        if not self.are_rows(source):
            return
        if isinstance(target, ast.Name):
            self.row.add(target.id)
        else:
            self.note(target)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if self.are_rows(node.value):
                if isinstance(target, ast.Name):
                    self.rows.add(target.id)
                elif isinstance(target, ast.Tuple) and any(isinstance(each, ast.Tuple) for each in target.elts):
                    self.note(node)
                elif isinstance(target, ast.Tuple):
                    self.row |= {each.id for each in target.elts if isinstance(each, ast.Name)}
            elif self.is_row(node.value):
                if isinstance(target, ast.Name):
                    self.row.add(target.id)
                else:
                    self.note(node)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        if self.are_rows(node.value):
            self.rows.add(node.target.id)
        self.generic_visit(node)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.bind(node.target, node.iter)
        self.generic_visit(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        if self.are_rows(node.iter) and isinstance(node.target, ast.Name):
            self.rows.add(node.target.id)  # a stream yields lists of rows
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self.bind(node.target, node.iter)
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        for each in node.generators:
            self.visit(each)
        self.generic_visit(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self.visit_ListComp(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self.visit_ListComp(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self.visit_ListComp(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if self.is_row(node.value) and is_number(node.slice):
            self.note(node)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        if self.is_row(node.value):
            self.note(node)
        self.generic_visit(node)


def positions(text: str) -> list[tuple[int, str]]:
    """Return the lines that read a row by position."""
    found: set[tuple[int, str]] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name not in NAMED:
            visitor = Positions()
            given = {each.arg for each in node.args.args if each.annotation and "Any" in ast.unparse(each.annotation)}
            visitor.row |= given & {"row"}
            visitor.rows |= given & {"rows"}
            for statement in node.body:
                visitor.visit(statement)
            found.update(visitor.found)
    return sorted(found)


SOURCES = sorted((ROOT / "dispatcher").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rows_are_read_by_name(path):
    assert positions(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "row[0]",
        "rows[0][1]",
        "Event(*row)",
        "Event(*rows[0])",
        "row[:3]",
        "found = await database.run('x'); found[0][1]",
        "for a, b in await database.run('x'): pass",
        "{a: b for a, b in await database.run('x')}",
        "{each[0] for each in await database.run('x')}",
        "((count,),) = await database.run('x')",
        "a, b = rows[0]",
        "lease = rows[0]; lease[2]",
        "[each[1] for each in (await database.run('x') if y else [])]",
    ],
)
def test_the_test_finds_each_way_to_do_so(line):
    assert positions(f"async def work(row: Any, rows: list[Any]):\n    {line}")


@pytest.mark.parametrize(
    "line",
    ["rows[0].id", "rows[-1].id", "(row,) = await database.run('x')", "{row.id: row for row in rows}", "rows[1:]"],
)
def test_and_lets_names_be(line):
    assert positions(f"async def work(row: Any, rows: list[Any]):\n    {line}") == []

"""The documentation pages, and the code in them that the tests run."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from dispatcher.cli import app
from tests.support.paths import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its place and its language."""

    page: Path
    line: int
    language: str
    text: str

    def __repr__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start()) + 1,
            found["language"],
            re.sub(f"^{found['indent']}", "", found["text"], flags=re.MULTILINE),
        )
        for found in _FENCE.finditer(text)
    ]


def commands(block: Block) -> list[list[str]]:
    """Return the commands of a shell block as lists of arguments, without comments."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [arguments for line in lines if (arguments := shlex.split(line, comments=True))]


def parse(arguments: list[str]) -> Any:
    """Parse the command line `outbox ARGUMENTS` without running it; raise its usage error if there is one."""
    command: Any = typer.main.get_command(app)
    context = command.context_class(command, info_name="outbox")
    rest = arguments
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, rest)
        if hasattr(command, "commands"):
            context = command.context_class(command, info_name=name, parent=context)
    return command.make_context(command.name, list(rest), parent=context)

"""The page about the architecture: every path on it exists, and every name stands in the file that it is said to be in."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
RECIPES = (
    "Add a destination",
    "Add a step",
    "Change a retry rule",
    "Add a console page",
    "Fix the merge of persons",
    "Add a column to `event`",
)
PATHS = sorted(
    {name for name in re.findall(r"`([\w./]+)`", PAGE) if "/" in name or name.endswith((".py", ".sql", ".md"))}
)
NAMES = sorted(
    {
        (name, path)
        for names, path in re.findall(r"((?:`\w+`(?:, | and )?)+) in\s+`([\w./]+)`", PAGE)
        for name in re.findall(r"`(\w+)`", names)
    }
)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_on_the_page_exists(path):
    assert any((folder / path).exists() for folder in (ROOT, ROOT / "dispatcher" / "console" / "templates")), path


@pytest.mark.parametrize(("name", "path"), NAMES)
def test_a_name_stands_in_its_file(name, path):
    assert re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8"))


def test_the_page_has_its_recipes_with_paths_and_names():
    assert re.findall(r"^### (.*)$", PAGE, re.MULTILINE) == list(RECIPES)
    assert len(PATHS) > 40
    assert ("PAGES", "dispatcher/console/app.py") in NAMES
    for recipe in PAGE.partition("## Six recipes")[2].split("\n### ")[1:]:
        assert len(re.findall(r"`[\w./<>]+/[\w./<>]*`", recipe)) >= 3, recipe.splitlines()[0]

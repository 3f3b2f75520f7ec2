"""The index leads to every page, and the README to the index."""

from __future__ import annotations

import re

from tests.support.documents import PAGES
from tests.support.paths import ROOT

DOCS = ROOT / "docs"


def links(page):
    found = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    return {(page.parent / link).resolve() for link in found if ":" not in link}


def test_every_page_is_in_the_index():
    pages = {page for page in PAGES if page.is_relative_to(DOCS)} - {DOCS / "README.md"}
    assert pages - links(DOCS / "README.md") == set()


def test_the_readme_leads_to_the_index_and_is_short():
    readme = ROOT / "README.md"
    assert DOCS / "README.md" in links(readme)
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= 110

"""The page about Stripe matches the code."""

from __future__ import annotations

import re

import pytest

from outbox.stripe.events import READERS
from outbox.stripe.payments import INVOICES
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "stripe.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*READERS, *INVOICES])
def test_every_event_and_reason_is_on_the_page(name):
    assert f"`{name}`" in PAGE


def test_every_example_is_python():
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        compile(example, "stripe.md", "exec")

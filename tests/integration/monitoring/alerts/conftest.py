"""Somebody who is alerted."""

from __future__ import annotations

import pytest

from tests.support.inbox import open_inbox


@pytest.fixture
async def inbox():
    """An inbox that listens."""
    async with open_inbox() as inbox:
        yield inbox

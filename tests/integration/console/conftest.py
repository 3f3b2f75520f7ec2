"""The console as `outbox serve` mounts it."""

from __future__ import annotations

import pytest

from tests.support.console_site import TOKEN, serving


@pytest.fixture
async def local(database_url, settings):
    """A client on the same machine, where no token is set."""
    async with serving(database_url, settings) as site:
        yield site


@pytest.fixture
async def stranger(database_url, settings):
    """A client that has not signed in, where a token is set."""
    async with serving(database_url, settings, token=TOKEN) as site:
        yield site


@pytest.fixture
async def site(stranger):
    """A client that has signed in."""
    assert (await stranger.sign_in()).status == 303
    return stranger

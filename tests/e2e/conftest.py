"""A real browser: Debian's chromium, driven by Playwright, that talks to loopback only."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",  # needs rights that a container does not give; everything it opens is our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
async def browser():
    """The browser; a test that cannot have it fails, as one that is skipped proves nothing."""
    async with _browser() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_browser():
    """One browser for a module of many small tests, which run on its event loop (`loop_scope="module"`)."""
    async with _browser() as browser:
        yield browser


@asynccontextmanager
async def _browser():
    if not CHROMIUM.exists():  # noqa: ASYNC240 - once, before anything runs
        pytest.fail(f"{CHROMIUM} is missing: run scripts/debian", pytrace=False)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()

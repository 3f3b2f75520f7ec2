"""One database for all tests of a module, empty for each; Stripe's events in its old and new API versions."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.stripe_events import VERSIONS
from tests.support.stripe_log import clear


@pytest.fixture
def database_url(shared_database_url):
    return shared_database_url


@pytest.fixture
def connection(database_url):
    """A CRM's connection to an empty database."""
    with psycopg.connect(database_url, autocommit=True) as connected:
        yield connected
        clear(connected)


@pytest.fixture(params=VERSIONS)
def stripe(request):
    return VERSIONS[request.param]

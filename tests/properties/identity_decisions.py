"""The table of decisions of the documentation, as data: each row holds for the oracle and for the product."""

from __future__ import annotations

from tests.properties.decision import Decision
from tests.properties.decisions_by_browser import BY_BROWSER
from tests.properties.decisions_by_consent import CONSENT, PUBLIC
from tests.properties.decisions_by_key import BY_KEY
from tests.properties.decisions_by_reading import BY_READING

DECISIONS: tuple[Decision, ...] = (*BY_KEY, *BY_READING, *BY_BROWSER, *CONSENT, *PUBLIC)

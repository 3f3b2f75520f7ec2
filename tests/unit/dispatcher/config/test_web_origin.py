"""Origins, and where a browser may be sent on to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from dispatcher.config.web_origin import location, origin_of
from tests.support.strategies import wild_text

OURS = "https://www.example.com"
BASE = URL("https://forms.example.com/forms/f")


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://www.example.com/a?b#c", OURS),
        ("HTTPS://WWW.Example.COM:443", OURS),
        ("https://www.example.com:8443/", "https://www.example.com:8443"),
        ("http://[::1]:3000/x", "http://[::1]:3000"),
        *[
            (address, None)
            for address in ("", "www.example.com", "//www.example.com", "ftp://a", "https://", "https://u:p@a", "https://a:b",
                            "https://a b", "https://a\\b", "https://a\n", "https://[::1", "https://ümlaut.example", "null")
        ],
    ],
)  # fmt: skip
def test_the_origin_of_an_address(address, origin):
    assert origin_of(address) == origin


pieces = st.sampled_from(
    ["https:", "http:", "//", "/", "\\", "www.example.com", "evil.example", "@", ":443", ":", "?", "#", "%2f", "\t", "\n", " ",
     "javascript:", ".", "[", "]", "ü", "\x00"]
)  # fmt: skip


@given(st.one_of(st.lists(pieces, max_size=8).map("".join), wild_text))
def test_redirects_lead_only_to_the_configured_origins_or_the_same_host(address):
    found = location(address, {OURS})
    if found is not None:
        assert found.isascii()
        assert found.isprintable()
        # As a browser does it: a backslash is a slash, tabs and ends of lines are not there.
        target = BASE.join(URL(found.replace("\\", "/"), encoded=True))
        assert str(target.origin()) in {OURS, "https://forms.example.com"}

"""What is read from Meta's and Google's cookies, and what is not."""

import re

import pytest
from capi_param_builder import ParamBuilder

from outbox import cookies

CLICK = "IwAR2F4-dbP0l7Mn1IawQQGCINEz7PYXQvwjNwB_qa2ofrHyiLjcbCRxTDMgk"


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("fb.1.1596403881668.1116446470", True),
        ("fb.1.1596403881668.1116446470.AQQAAQEA", True),  # the builder's appendix
        ("fb.2.1596403881668.1116446470.Ag", True),  # its older one
        ("fb.0.1596403881668.0", True),
        ("fb.1.1596403881668.1116446470.AQQ", False),
        ("fb.1.1596403881668.1116446470.Ag.Ag", False),
        ("fb.1.1596403881668.", False),
        ("fb.1.1596403881668", False),
        ("fb.1..1116446470", False),
        ("FB.1.1596403881668.1116446470", False),
        ("fb.1.\u0661\u0662\u0663.1116446470", False),  # digits, but not ASCII's
        ("fb.1.1596403881668.11164 46470", False),
        ("fb.1.1596403881668.1116446470\n", False),
        ("fb.1.1596403881668." + "1" * 300, False),
        ("undefined", False),
    ],
)
def test_a_browser_id_has_metas_form(text, accepted):
    assert cookies.parse_fbp(text) == (text if accepted else None)


@pytest.mark.parametrize("appendix", ["", ".AQQAAQEA", ".Bg"])
def test_a_click_id_is_found_inside_an_fbc_in_its_own_case(appendix):
    fbc = f"fb.1.1554763741205.{CLICK}{appendix}"
    assert cookies.parse_fbc(fbc) == fbc
    assert cookies.fbclid_of(fbc) == CLICK


def test_an_fbc_is_made_with_the_time_the_click_was_first_seen():
    assert cookies.fbc_from_fbclid(CLICK, 1554763741205) == f"fb.1.1554763741205.{CLICK}"


@pytest.mark.parametrize(
    ("fbclid", "ms"), [("", 1), ("a b", 1), ("a.b", 1), ("a\0", 1), ("ü", 1), ("a" * 501, 1), (CLICK, 0), (CLICK, -1)]
)
def test_no_fbc_is_made_that_meta_would_refuse(fbclid, ms):
    assert cookies.fbc_from_fbclid(fbclid, ms) is None


def test_metas_own_builder_and_we_accept_each_others_values():
    builder = ParamBuilder(["example.com"])
    builder.process_request("www.example.com", {"fbclid": [CLICK]}, {})
    assert cookies.parse_fbp(builder.get_fbp()) == builder.get_fbp()
    assert cookies.fbclid_of(builder.get_fbc()) == CLICK
    ours = cookies.fbc_from_fbclid(CLICK, 1554763741205)
    builder.process_request("www.example.com", {"fbclid": [CLICK]}, {"_fbc": ours})
    assert re.fullmatch(re.escape(ours) + r"\.[A-Za-z0-9_-]{8}", builder.get_fbc())


@pytest.mark.parametrize(
    ("text", "client"),
    [
        ("GA1.1.286403989.1366364567", "286403989.1366364567"),
        ("GA1.2.286403989.1366364567", "286403989.1366364567"),
        ("GA1.3-2.286403989.1366364567", "286403989.1366364567"),  # a cookie of a path
        ("1.2.286403989.1366364567", "286403989.1366364567"),  # before GA1
        ("286403989.1366364567", "286403989.1366364567"),  # as a parameter
        ("GA1.1.amp-XSBBDLPNp2u7uIyw98cCYw", "amp-XSBBDLPNp2u7uIyw98cCYw"),
        ("35009a79-1a05-49d7-b876-2b884d0f825b", "35009a79-1a05-49d7-b876-2b884d0f825b"),
        ("GA1.1.286403989", None),
        ("GA1.1.286403989.", None),
        ("GA1.1.286403989.1366364567.1", None),
        ("GA1.1.x.1366364567", None),
        ("GS1.1.286403989.1366364567", None),
        ("", None),
    ],
)
def test_the_client_id_is_the_last_two_numbers_of_the_ga_cookie(text, client):
    assert cookies.parse_ga_client_id(text) == client


@pytest.mark.parametrize(
    ("text", "session"),
    [
        ("GS1.1.1692011434.1.1.1692011474.0.0.0", "1692011434"),
        ("GS1.1-2.1692011434.1.1.1692011474.0.0.0", "1692011434"),
        ("GS1.1.1692011434", "1692011434"),
        ("GS2.1.s1748934661$o208$g1$t1748935291$j60$l0$h0", "1748934661"),
        ("GS2.3.s1748247201$o9$g1$t1748248226$j0$l0$h0", "1748247201"),
        ("GS2.1.t1748935291$g1$s1748934661$o208", "1748934661"),  # Google promises no order
        ("GS2.1.s1748246127$o6$g1$t1748248990$j22$l0$h263126385$dQn_oPl1JlfID64muTcg9EeKK4oR_eD4EGg", "1748246127"),
        ("s1748934661$o208$g1$t1748935291", "1748934661"),  # what GS1 readers make of GS2
        ("1748934661", "1748934661"),
        ("GS2.1.o208$g1$t1748935291", None),
        ("GS2.1.s$o208", None),
        ("GS2.1.s17x$o208", None),
        ("GS1.1.x.1.1", None),
        ("GS3.1.1692011434.1", None),
        ("GS2.1.s\u0661\u0662\u0663$o1", None),
        ("1692011434.5", None),
        ("1" * 21, None),
    ],
)
def test_the_session_id_is_read_from_both_forms_of_the_stream_cookie(text, session):
    assert cookies.parse_ga_session_id(text) == session


@pytest.mark.parametrize("stream", ["G-XLHMXGR17M", "XLHMXGR17M", "_ga_XLHMXGR17M"])
def test_a_stream_names_its_cookie(stream):
    assert cookies.ga_stream_cookie(stream) == "_ga_XLHMXGR17M"


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("35009a79-1a05-49d7-b876-2b884d0f825b", True),
        ("1716540000.lead:7/x", True),
        ("a" * 256, True),
        ("a" * 257, False),
        ("{{event_id}}", False),  # a tag manager's variable that was never filled in
        ("john@example.com", False),
        ("a b", False),
        ("---", False),
        ("a\0", False),
    ],
)
def test_an_identifier_of_the_site_is_one_word(text, accepted):
    assert cookies.parse_id(text) == (text if accepted else None)

"""Which IP address is used, by the proxies in between."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox import Visitor
from outbox.client_ip import IP_HEADERS, TRUSTED_PROXIES, client_ip, parse_ip

DOCUMENTATION = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")

CLOUDFLARE = ("173.245.48.0/20", "2400:cb00::/32")
SPOOF = "8.8.8.8"
VISITOR = "203.0.113.7"


@pytest.mark.parametrize(
    ("text", "ip"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("203.0.113.7:51234", "203.0.113.7"),
        ("2001:0db8:85a3:0000:0000:8a2e:0370:7334", "2001:db8:85a3::8a2e:370:7334"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1%eth0", "2001:db8::1"),
        ("[2001:db8::1%eth0]:80", "2001:db8::1"),
        ("203.0.113.7, 10.0.0.1", "203.0.113.7"),
        ("unknown, 192.168.1.20, 203.0.113.7:8080, 8.8.8.8", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:80", "203.0.113.7"),
        ("::ffff:cb00:7107", "203.0.113.7"),
        ("203.0.113.07", None),
        ("203.0.113", None),
        ("203.0.113.7:", None),
        ("203.0.113.256", None),
        ("0.0.0.0", None),
        ("::", None),
        ("224.0.0.1", None),
        ("unknown", None),
        ("testclient", None),
        ("1" * 10_000, None),
        ("203.0.113.7\0", None),
        ("", None),
    ],
)
def test_an_address_is_given_in_its_usual_form(text, ip):
    assert parse_ip(text) == ip


@pytest.mark.parametrize(
    ("case", "remote", "headers", "trusted", "ip"),
    [
        ("no proxy", VISITOR, {}, TRUSTED_PROXIES, VISITOR),
        ("no proxy, spoofed", VISITOR, {"x-forwarded-for": SPOOF, "cf-connecting-ip": SPOOF}, TRUSTED_PROXIES, VISITOR),
        ("one proxy", "127.0.0.1", {"x-forwarded-for": VISITOR}, TRUSTED_PROXIES, VISITOR),
        ("one proxy, spoofed", "10.0.0.9", {"x-forwarded-for": f"{SPOOF}, {VISITOR}"}, TRUSTED_PROXIES, VISITOR),
        ("two", "10.0.0.9", {"x-forwarded-for": f"{SPOOF},{VISITOR}, 172.16.0.1"}, TRUSTED_PROXIES, VISITOR),
        ("spoofed private", "10.0.0.9", {"x-forwarded-for": f"10.0.0.1,{VISITOR},10.0.0.2"}, TRUSTED_PROXIES, VISITOR),
        ("port", "10.0.0.9", {"x-forwarded-for": f"{SPOOF}, {VISITOR}:4711"}, TRUSTED_PROXIES, VISITOR),
        ("IPv6", "::1", {"x-forwarded-for": "8.8.8.8, 2001:db8::1"}, TRUSTED_PROXIES, "2001:db8::1"),
        ("mapped remote", "::ffff:10.0.0.9", {"x-forwarded-for": VISITOR}, TRUSTED_PROXIES, VISITOR),
        ("tunnel", "127.0.0.1", {"cf-connecting-ip": VISITOR, "x-forwarded-for": SPOOF}, TRUSTED_PROXIES, VISITOR),
        ("Cloudflare", "173.245.48.9", {"cf-connecting-ip": VISITOR}, CLOUDFLARE, VISITOR),
        ("Cloudflare unnamed", "173.245.48.9", {"cf-connecting-ip": VISITOR}, TRUSTED_PROXIES, "173.245.48.9"),
        (
            "behind it",
            "10.0.0.9",
            {"x-forwarded-for": f"{SPOOF}, {VISITOR}, 173.245.48.9"},
            (*TRUSTED_PROXIES, *CLOUDFLARE),
            VISITOR,
        ),
        ("garbage left of it", "10.0.0.9", {"x-forwarded-for": f"<x>, {VISITOR}"}, TRUSTED_PROXIES, VISITOR),
        ("garbage right of it", "10.0.0.9", {"x-forwarded-for": f"{VISITOR}, unknown"}, TRUSTED_PROXIES, None),
        ("garbage first", "10.0.0.9", {"cf-connecting-ip": "x", "x-forwarded-for": VISITOR}, TRUSTED_PROXIES, VISITOR),
        ("only proxies", "10.0.0.9", {"x-forwarded-for": "10.0.0.1, 10.0.0.2"}, TRUSTED_PROXIES, None),
        ("proxy sends no header", "127.0.0.1", {}, TRUSTED_PROXIES, None),
        ("nobody trusted", "127.0.0.1", {"x-forwarded-for": SPOOF}, (), None),
        ("carrier's hop", "127.0.0.1", {"x-forwarded-for": f"{VISITOR}, 100.64.0.3"}, TRUSTED_PROXIES, VISITOR),
        (
            "pseudo-IPv4",
            "127.0.0.1",
            {"cf-connecting-ip": "247.1.2.3", "cf-connecting-ipv6": "2001:db8::7", "x-forwarded-for": "247.1.2.3"},
            TRUSTED_PROXIES,
            "2001:db8::7",
        ),
        (
            "IPv6 header of the visitor's own",
            "127.0.0.1",
            {"cf-connecting-ipv6": SPOOF, "x-forwarded-for": VISITOR},
            TRUSTED_PROXIES,
            VISITOR,
        ),
        ("one string of networks", "10.0.0.9", {"x-forwarded-for": VISITOR}, "127.0.0.1, 10.0.0.0/8", VISITOR),
        ("no address", "", {"x-forwarded-for": SPOOF}, TRUSTED_PROXIES, None),
        ("no IP address", "unix:", {"x-forwarded-for": SPOOF}, TRUSTED_PROXIES, None),
        ("endless", "10.0.0.9", {"x-forwarded-for": f"{SPOOF}," * 100_000 + VISITOR}, TRUSTED_PROXIES, VISITOR),
    ],
)
def test_the_rightmost_address_that_is_no_trusted_proxys_is_the_visitors(case, remote, headers, trusted, ip):
    assert client_ip(headers, remote, [], trusted_proxies=trusted) == ip, case


def test_a_proxy_that_passes_on_a_visitors_own_cloudflare_header_is_configured_without_it():
    headers = {"cf-connecting-ip": SPOOF, "x-forwarded-for": VISITOR}
    assert IP_HEADERS[0] == "cf-connecting-ip"
    assert client_ip(headers, "127.0.0.1", [], ip_headers=("X-Forwarded-For",)) == VISITOR


@pytest.mark.parametrize(
    ("remote", "headers", "trusted", "note"),
    [
        ("127.0.0.1", {}, TRUSTED_PROXIES, "ip: only addresses of trusted proxies were found, left out"),
        (
            "127.0.0.1",
            {"x-forwarded-for": "<x>"},
            TRUSTED_PROXIES,
            "ip: x-forwarded-for holds something that is not an IP address",
        ),
        ("<x>", {}, TRUSTED_PROXIES, "ip: the connection's address is not an IP address, left out"),
        (VISITOR, {}, ("10.0.0.0/8", "<x>"), "trusted_proxies: an entry that is not a network was ignored"),
    ],
)
def test_what_is_wrong_is_noted_without_the_value(remote, headers, trusted, note):
    notes = []
    client_ip(headers, remote, notes, trusted_proxies=trusted)
    assert any(said.startswith(note) for said in notes)
    assert "<x>" not in "".join(notes)


@pytest.mark.parametrize(
    "address",
    [
        "192.168.1.20", "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "169.254.1.1", "100.64.0.1", "247.1.2.3", "224.0.0.1",
        "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "198.18.0.1",
    ],
)  # fmt: skip
def test_what_no_visitor_can_have_is_no_address(address):
    assert parse_ip(address) is None
    assert Visitor(ip=address).ip is None


@given(st.ip_addresses())
def test_the_quick_way_says_the_same_as_the_library(address):
    documentation = any(
        address in ip_network(text) for text in DOCUMENTATION if ip_network(text).version == address.version
    )
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is None:
        is_public = (address.is_global and not address.is_multicast) or documentation
        assert parse_ip(str(address)) == (str(address) if is_public else None)

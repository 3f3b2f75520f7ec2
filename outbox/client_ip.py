"""The visitor's IP address, behind proxies. Pure.

Anyone who connects can write any header, so a header is only as trustworthy as the connection: it is read only if the
connection's own address belongs to a trusted proxy. `X-Forwarded-For` is a list to which each proxy appends the address
that called it. Read from the right, the first address that does not belong to a trusted proxy is the visitor's; anything
left of it was written by the visitor.

By default the loopback and private networks are trusted, where one's own reverse proxy or tunnel runs. Cloudflare's
public networks are not among them, because they change: an origin that Cloudflare reaches directly must list them
(https://www.cloudflare.com/ips/) in addition to the default. A trusted proxy must overwrite or remove a
`CF-Connecting-IP` that a visitor sends; if it does not, leave that header out of `ip_headers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

TRUSTED_PROXIES = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
IP_HEADERS = ("cf-connecting-ip", "x-forwarded-for")  # the first that holds an address is used

_MAX_READ = 4_096  # characters of a header, from the right
_MAX_NETWORKS = 1_000
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+(?:%[^\]]+)?)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_DOCUMENTATION: tuple[Network, ...] = tuple(
    map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"))
)  # RFC 5737, 3849, 9637
# First bytes under which every address is public.
_SURELY_PUBLIC_IPV4 = frozenset(range(1, 224)) - {10, 100, 127, 169, 172, 192, 198, 203}
_SURELY_PUBLIC_IPV6 = frozenset(range(0x24, 0x30))


def parse_ip(text: str) -> str | None:
    """Return the address of a visitor in canonical form, or None if there is no public one.

    Brackets, port and zone are removed, `::ffff:` becomes IPv4. Of a list, as in `X-Forwarded-For`, the first public address
    counts: those after it are proxies, and nobody knows here which of them to trust.
    """
    family = AF_INET6 if ":" in text else AF_INET
    try:  # nearly all are plain and public; takes a tenth of the time of `ipaddress`
        packed = inet_pton(family, text)
    except (OSError, ValueError):
        packed = b""
    if packed and packed[0] in (_SURELY_PUBLIC_IPV6 if family == AF_INET6 else _SURELY_PUBLIC_IPV4):
        return inet_ntop(family, packed)
    for part in islice(text[:_MAX_READ].split(","), _MAX_NETWORKS):
        address = _address(part)
        if address and is_public(address):
            return str(address)
    return None


def is_public(address: Address) -> bool:
    """Return whether a visitor can have this address; those for documentation count, for tests.

    Not private, loopback, link-local, shared by a carrier (100.64.0.0/10), reserved or multicast. Cloudflare's pseudo-IPv4
    (240.0.0.0/4, https://developers.cloudflare.com/network/pseudo-ipv4/) is reserved.
    """
    return (address.is_global and not address.is_multicast) or _within(address, _DOCUMENTATION)


def client_ip(
    headers: Mapping[str, str],
    remote: str,
    notes: list[str],
    *,
    trusted_proxies: Sequence[str] = TRUSTED_PROXIES,
    ip_headers: Sequence[str] = IP_HEADERS,
) -> str | None:
    """Return the visitor's address. `headers` have lower-case names; `remote` is the connection's own address, or empty.

    Return None if all addresses belong to trusted proxies: a proxy's address, sent for every visitor, is worse than
    none. Nor can an address that is not public be a visitor's.
    """
    networks = _networks(_texts(trusted_proxies))
    if len(networks) < len(_texts(trusted_proxies)):
        notes.append("trusted_proxies: an entry that is not a network was ignored")
    connected = _address(remote)
    if connected is None:
        if remote:
            notes.append("ip: the connection's address is not an IP address, left out")
        return None
    if not _within(connected, networks):
        if is_public(connected):
            return str(connected)
        notes.append("ip: the connection's address is not public, left out")
        return None
    for name in _texts(ip_headers):
        found = _visitor(headers.get(name.lower(), ""), networks)
        if found is None and name.lower() == "cf-connecting-ip" in headers:  # a pseudo-IPv4: the real one is beside it
            found = _visitor(headers.get("cf-connecting-ipv6", ""), networks)
        if isinstance(found, str):
            notes.append(f"ip: {name.lower()} {found}")
        elif found:
            return str(found)
    notes.append("ip: only addresses of trusted proxies were found, left out")
    return None


def _visitor(header: str, networks: Iterable[Network]) -> Address | str | None:
    """Return the rightmost address that is not a proxy's, None if there is none, or a text saying what is wrong."""
    if len(header) > _MAX_READ:
        header = header[-_MAX_READ:].partition(",")[2]
    for hop in reversed(header.split(",")):
        if text := hop.strip():
            address = _address(text)
            if address is None:
                return "holds something that is not an IP address, left out"
            if is_public(address) and not _within(address, networks):
                return address
    return None


def _address(text: str) -> Address | None:
    text = text.strip()
    if len(text) > 100:
        return None
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return None if address.is_unspecified or address.is_multicast else address


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _texts(values: object) -> tuple[str, ...]:
    if isinstance(values, str):
        return tuple(text.strip() for text in values[:_MAX_READ].split(","))
    return tuple(str(value) for value in islice(values, _MAX_NETWORKS)) if isinstance(values, Iterable) else ()


@lru_cache(maxsize=16)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    networks: list[Network] = []
    for text in texts:
        try:
            networks.append(ip_network(text, strict=False))
        except ValueError:
            continue
    return tuple(networks)

"""What looks like an e-mail address or a phone number: one grammar of each, for every place that asks. Pure.

Both `holds_email` and `is_email` take time that grows with the length of a text and no faster. They look around each
`@`, never from every character on to the end. Texts longer than `MAX_READ` are cut first: nothing of ours is longer.

    is_email("ann.lee@example.com")                 the whole text is an address that can be hashed
    holds_email("call ann.lee@example.com today")   an address stands somewhere in it, however it is written
    is_phone("+44 20 7946 0958")                    the whole text could be a phone number
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MAX_READ = 65_536
"""Characters of a text that are looked at; an event has no more bytes."""
MAX_ADDRESS = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets
MAX_PHONE = 40  # characters: 15 digits, and what people write between them
_MAX_DEPTH = 8  # of lists and mappings within each other; `details` keeps four

# RFC 5322 without quoted parts, RFC 6531 for other scripts: each class says which of ASCII may not stand there. Dots may
# stand anywhere before the @: Japanese carriers gave out such addresses. A top-level domain begins with a letter, which
# leaves out IP addresses.
_ADDRESS = re.compile(
    r"""[^\x00-\x20\x7f"(),:;<>@\[\\\]]{1,64}@
        (?:[^\x00-/:-`{-\x7f][^\x00-,./:-`{-\x7f]{0,62}\.){1,126}
        [^\x00-`{-\x7f][^\x00-,./:-`{-\x7f]{1,62}""",
    re.VERBOSE,
)
# Within a text. Wider than an address: any character before the @ but those that end a part of a URL; a domain with a
# dot, and two letters after it. The @ may be percent-encoded or full-width.
_WITHIN = re.compile(r"(?<=[^\s@/?&=:;,])(?:[@\uff20]|%40)[^\s@\uff20%/?&=:;,]{1,253}?\.[^\W\d_]{2}")
_PHONE = re.compile(r"[+(]?[0-9][0-9 ().\-/]{5,30}[0-9]")


def is_email(text: str) -> bool:
    """Return whether `text`, in lower case, is an e-mail address and nothing else."""
    return len(text) <= MAX_ADDRESS and _ADDRESS.fullmatch(text) is not None


def holds_email(text: str) -> bool:
    """Return whether something in `text` looks like an e-mail address."""
    if "@" not in text and "%40" not in text and "\uff20" not in text:
        return False
    return _WITHIN.search(text, 0, MAX_READ) is not None


def is_phone(text: str) -> bool:
    """Return whether `text` could be a phone number: 7 digits with signs between them, or 10 without; 15 at most."""
    if len(text) > MAX_PHONE:
        return False
    text = text.strip()
    if not _PHONE.fullmatch(text):
        return False
    digits = sum(char.isdigit() for char in text)
    return (10 if digits == len(text) else 7) <= digits <= 15


def holds_email_anywhere(value: Any, depth: int = _MAX_DEPTH) -> bool:
    """Return whether a text in `value`, which may be a list or a mapping, looks like an e-mail address.

    What is nested more deeply than anything that is sent counts as if it did.
    """
    if isinstance(value, str):
        return holds_email(value)
    if not isinstance(value, Mapping | list | tuple):
        return False
    if depth == 0:
        return True
    inner = (*value.keys(), *value.values()) if isinstance(value, Mapping) else value
    return any(holds_email_anywhere(item, depth - 1) for item in inner)

"""Splits a full name into first and last name. Pure, and a guess: a form with two fields is better."""

from __future__ import annotations

# Words that begin a last name of several words: van Beethoven, de la Cruz, bin Laden.
_PARTICLES = frozenset({
    "af", "al", "bin", "da", "dal", "de", "degli", "dei", "del", "della", "den", "der", "des", "di", "do", "dos", "du",
    "el", "ibn", "la", "le", "lo", "st", "ten", "ter", "van", "vander", "vom", "von", "zu", "zum",
})  # fmt: skip
_SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv", "phd", "md"})
_TITLES = frozenset({"mr", "mrs", "ms", "miss", "dr", "prof", "ing", "herr", "frau", "sir", "mx"})
MAX_WORDS = 8


def split_name(text: str) -> tuple[str | None, str | None]:
    """Return first and last name of `Ada Lovelace`, `Lovelace, Ada` or `Dr. Ludwig van Beethoven`. One word is a first name.

    Middle names are dropped: destinations match on the first and the last name.
    """
    last, comma, first = text.partition(",")
    if comma and _bare(first) not in _SUFFIXES:
        return _collapse(first.replace(",", " ")), _collapse(last)
    words = [word for word in text.replace(",", " ").split() if _bare(word) not in _TITLES]
    while len(words) > 1 and _bare(words[-1]) in _SUFFIXES:
        words.pop()
    if not words or len(words) > MAX_WORDS:
        return None, None
    if len(words) == 1:
        return words[0], None
    begins = next((at for at in range(1, len(words) - 1) if words[at].lower() in _PARTICLES), len(words) - 1)
    return words[0], " ".join(words[begins:])


def _collapse(text: str) -> str | None:
    return " ".join(text.split()) or None


def _bare(word: str) -> str:
    return word.strip(" .,").lower()

"""Countries and states as people write them, converted to the codes that Meta expects.

Meta, "Customer Information Parameters": a country is its ISO 3166-1 alpha-2 code; a state of the US its two-letter
code, any other its name. For Canada this uses the code of the province, as Meta's parameter builder does.
"""

from __future__ import annotations

import re
from functools import cache

from outbox.normalization import LeftOut, normalized, squeezed

# What pycountry's names, official names and codes do not cover. Spelt as `_key` spells them.
_ALSO_CALLED = {
    "ae": "uae emirates",
    "at": "osterreich",
    "ba": "bosnia",
    "be": "belgie belgique",
    "bn": "brunei",
    "br": "brasil",
    "cd": "drc congokinshasa democraticrepublicofcongo",
    "cg": "congobrazzaville republicofcongo",
    "ch": "schweiz suisse svizzera",
    "ci": "ivorycoast",
    "cn": "prc 中国 中國",
    "cv": "capeverde",
    "cy": "κυπρος kypros kibris",
    "cz": "czechrepublic ceskarepublika cesko",
    "de": "deutschland",
    "es": "espana",
    "fk": "falklandislands",
    "fm": "micronesia",
    "gb": "uk greatbritain britain england scotland wales northernireland",
    "gr": "el hellas ελλαδα",
    "hk": "hongkongsar",
    "ie": "republicofireland eire",
    "it": "italia",
    "jp": "日本",
    "kp": "dprk",
    "kr": "korea republicofkorea 대한민국",
    "la": "laopdr",
    "mk": "macedonia",
    "mm": "burma",
    "mo": "macau",
    "nl": "holland nederland",
    "pl": "polska",
    "ps": "palestine",
    "pt": "portuguesa",
    "ru": "russia россия",
    "sz": "swaziland",
    "tl": "easttimor",
    "tr": "turkey",
    "ua": "украина україна",
    "us": "america unitedstatesamerica usofa",
    "va": "vatican vaticancity",
    "vg": "britishvirginislands bvi",
    "vi": "usvirginislands usvi",
}

_US_STATES = {
    "alabama": "al",
    "alaska": "ak",
    "arizona": "az",
    "arkansas": "ar",
    "california": "ca",
    "colorado": "co",
    "connecticut": "ct",
    "delaware": "de",
    "districtofcolumbia": "dc",
    "florida": "fl",
    "georgia": "ga",
    "hawaii": "hi",
    "idaho": "id",
    "illinois": "il",
    "indiana": "in",
    "iowa": "ia",
    "kansas": "ks",
    "kentucky": "ky",
    "louisiana": "la",
    "maine": "me",
    "maryland": "md",
    "massachusetts": "ma",
    "michigan": "mi",
    "minnesota": "mn",
    "mississippi": "ms",
    "missouri": "mo",
    "montana": "mt",
    "nebraska": "ne",
    "nevada": "nv",
    "newhampshire": "nh",
    "newjersey": "nj",
    "newmexico": "nm",
    "newyork": "ny",
    "northcarolina": "nc",
    "northdakota": "nd",
    "ohio": "oh",
    "oklahoma": "ok",
    "oregon": "or",
    "pennsylvania": "pa",
    "rhodeisland": "ri",
    "southcarolina": "sc",
    "southdakota": "sd",
    "tennessee": "tn",
    "texas": "tx",
    "utah": "ut",
    "vermont": "vt",
    "virginia": "va",
    "washington": "wa",
    "westvirginia": "wv",
    "wisconsin": "wi",
    "wyoming": "wy",
    # Territories and freely associated states, and how the capital is written.
    "americansamoa": "as",
    "guam": "gu",
    "northernmarianaislands": "mp",
    "puertorico": "pr",
    "usvirginislands": "vi",
    "virginislands": "vi",
    "washingtondc": "dc",
}
_US_CODES = frozenset(_US_STATES.values()) | {"aa", "ae", "ap"}  # the last three: armed forces addresses

_PROVINCES = {
    "alberta": "ab",
    "britishcolumbia": "bc",
    "colombiebritannique": "bc",
    "manitoba": "mb",
    "newbrunswick": "nb",
    "nouveaubrunswick": "nb",
    "newfoundland": "nl",
    "newfoundlandandlabrador": "nl",
    "terreneuveetlabrador": "nl",
    "northwestterritories": "nt",
    "territoiresdunordouest": "nt",
    "novascotia": "ns",
    "nouvelleécosse": "ns",
    "nunavut": "nu",
    "ontario": "on",
    "princeedwardisland": "pe",
    "îleduprinceédouard": "pe",
    "quebec": "qc",
    "québec": "qc",
    "saskatchewan": "sk",
    "yukon": "yt",
}

# Names that stand for a code: in their own country, or where no country is given.
_CODES_OF_STATES: dict[str | None, dict[str, str]] = {
    "us": _US_STATES,
    "ca": _PROVINCES,
    None: _PROVINCES | _US_STATES,
}
_ISO_3166_2 = re.compile(r"([A-Za-z]{2})-([A-Za-z0-9]{1,3})")


def country_code(text: str) -> str:
    """Return the alpha-2 code, in lower case, of a country given as a code (alpha-2 or -3) or by its English or native name."""
    countries = _countries()
    code = countries.get(text.lower()) or countries.get(_key(text))
    if not code:
        raise LeftOut("not a country we know")
    return code


def state(text: str, country: str | None) -> str:
    """Return the two-letter code in the US and Canada; elsewhere lower case, no punctuation, no spaces, accents kept.

    `country` is the lower-case alpha-2 code. Codes as in ISO 3166-2 ("US-CA") lose the country. Codes of digits, as
    of French departments, stay as they are.
    """
    if "-" in text and (match := _ISO_3166_2.fullmatch(text)) and match[1].lower() == (country or "us"):
        country, text = match[1].lower(), match[2]
    form = squeezed(text)
    form = _CODES_OF_STATES.get(country, {}).get(form, form)
    if country == "us" and form not in _US_CODES:
        raise LeftOut("not a US state")
    if not form:
        raise LeftOut("contains no letter or digit")
    return form


@cache  # read once, and only when the first country is: importing pycountry costs some 50 ms
def _countries() -> dict[str, str]:
    import pycountry  # noqa: PLC0415 - see above

    codes: dict[str, str] = {}
    for country in pycountry.countries:
        code = country.alpha_2.lower()
        codes[code] = codes[country.alpha_3.lower()] = code
        for kind in ("name", "official_name", "common_name"):
            if name := getattr(country, kind, None):
                codes[_key(name)] = code
    for code, names in _ALSO_CALLED.items():
        codes |= dict.fromkeys(map(_key, names.split()), code)
    return codes


def _key(text: str) -> str:
    """Return a country's name in the form for comparison: letters only, without accents, "and" and "the"."""
    words = re.findall(r"[^\W\d_]+", normalized("NFKD", text.lower()))
    return "".join(word for word in words if word not in ("and", "the"))

"""Lines of a TOML file: every key that the file has is found, at the line at which it stands."""

from __future__ import annotations

import json
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.config.toml_lines import line_of, lines

TEXT = '''\
# [comment]
top = 1 # = 2
"quoted key" = "a # b"
'literal' = 'c = d'
when = 1979-05-27 07:32:00

[steps.won] # [steps.lost]
to.meta = "Lead"
to."ga 4" = """
[not.a.table]
key = "no"
\\"""
"""""
long = \'\'\'
x = 1
\'\'\'
list = [
  1, # one
  [2, 3],
  { a = "]", b = { c = [ "}" ] } },
]

[[many]]
x = 1
[many.inner]
y = 2
[[many]]
x = 3
[[many.deep]]
z = 4
[[many.deep]]
z = 5
'''


def paths(value, path=()):
    """Return the path of everything in a parsed file."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*path, index))


def test_every_key_is_found_where_it_stands():
    found = lines(TEXT)
    assert set(found) == set(paths(tomllib.loads(TEXT)))
    numbered = TEXT.splitlines()
    for path, line in found.items():
        if path and isinstance(path[-1], str):
            assert path[-1] in numbered[line - 1], path
    assert found["steps", "won", "list", 2, "b", "c", 0] == 20
    assert (found["many", 0, "x"], found["many", 1, "x"], found["many", 1, "deep", 1, "z"]) == (24, 28, 32)


def test_an_absent_key_has_the_line_of_its_table():
    found = lines("[steps.won]\nvalue = 1\n")
    assert line_of(found, ("steps", "won", "currency")) == 1
    assert line_of(found, ("forms", "x")) == 1


keys = st.one_of(st.text("abc-_1", min_size=1, max_size=4), st.text(max_size=6))
scalars = st.one_of(
    st.integers(-9, 9).map(str),
    st.booleans().map(lambda value: str(value).lower()),
    st.text(max_size=8).map(json.dumps),
    st.text('ab"\n#]}=', max_size=8).map(lambda text: '"""\n' + text.replace('"', '\\"') + '"""'),
    st.text('ab#]}=\n"', max_size=8).map(lambda text: f"'''{text}'''"),
)


def written(key):
    return key if key and all(char in "abc-_1" for char in key) else json.dumps(key)


def inline(value):
    """Write a value on one line, or on many where lists allow it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{written(key)} = {inline(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[ # list\n" + "".join(f"  {inline(item)}, # ]\n" for item in value) + "]"
    return value


values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=5,
)


@given(st.dictionaries(keys, st.dictionaries(keys, values, max_size=3), max_size=3))
def test_whatever_the_file_every_key_has_its_line(content):
    text = "".join(
        f"\n[{written(table)}]\n" + "".join(f"{written(key)} = {inline(value)}\n" for key, value in pairs.items())
        for table, pairs in content.items()
    )
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # a character that TOML does not allow
        return
    found = lines(text)
    assert set(found) >= set(paths(parsed))
    for path in paths(parsed):
        if path and isinstance(path[-1], str) and path[-1].isascii() and path[-1].isalnum():
            assert path[-1] in text.split("\n")[found[path] - 1]

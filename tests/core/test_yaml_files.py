"""YAML that would lose a value, or be endless, is refused in a sentence; anything else is read as written."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from parley.core.yaml_files import YamlError, load_yaml


def aliases(levels):
    """Each line repeats the one before nine times."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, levels)]
    return "\n".join(lines)


REFUSED = {
    "a key twice": ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "line 5: the key c is also in line 3"),
    "a section twice": (
        "training: {steps: 1}\nseeds: [1]\ntraining: {steps: 2}\n",
        "line 3: the key training is",
    ),
    "twice in a line": ("a: {b: 1, b: 2}\n", "line 1: the key b is also in line 1"),
    "twice in a list": ("- a: 1\n  a: 2\n", "line 2: the key a"),
    "nested lists": ("a: " + "[" * 100_000, "line 1: more than 30 sections and lists"),
    "nested sections": ("".join(" " * level + f"k{level}:\n" for level in range(2000)), "more than 30 sections"),
    "many keys": ("\n".join(f"k{key}: 1" for key in range(200_001)), "there are more than 200,000 values"),
    "a large file": ("# " + "x" * (5 << 20), "is larger than 4,194,304 bytes"),
    "aliases of aliases": (aliases(9), "there are more than 200,000 values, with those that aliases repeat"),
    "an alias of itself": ("a: &a [*a]\n", "line 1: \\*a is unknown, or is used inside its own section"),
    "an unknown alias": ("a: *b\n", "line 1: \\*b is unknown"),
    "a long number": (f"seed: {'9' * 5001}\n", "line 1: a number has 5001 characters"),
    "a long fraction": (f"seed: 0.{'9' * 500}e-5\n", "line 1: a number has"),
    "a date that is none": ("a: 2026-13-45\n", "is not YAML .month must be in 1..12"),
    "tabs": ("a:\n\tb: 1\n", "is not YAML .line 2: .*; replace the tab by spaces"),
    "an open quote": ("a: 'b\n", "is not YAML .line 2: .*; close the quotes"),
    "an open bracket": ("a: [1, 2\nb: 1\n", "is not YAML .line 2: .*; close the bracket"),
    "text with a colon": ("a: b: c\n", "is not YAML .line 1: .*; put text with a colon and a space"),
    "a percent sign": ("a: %b\n", "is not YAML .line 1: .*; put text that begins with %, @ or ` in quotes"),
    "another indentation": ("a:\n  b: 1\n   c: 2\n", "is not YAML .line 3: .*or correct the indentation"),
    "less indentation": (
        "a:\n  b: 1\n c: 2\n",
        "is not YAML .line 3: .*; the lines of a section must begin in the same",
    ),
    "two documents": ("a: 1\n---\nb: 2\n", "line 2: a second document begins here .---.; remove the line"),
    "an empty document": ("---\n---\na: 1\n", "line 2: a second document begins here"),
    "an object of Python": (
        "a: !!python/object/apply:os.getcwd []\n",
        "line 1: the tag !!python/object/apply:os.getcwd is",
    ),
    "a name of Python": (
        "a: !!python/name:os.system\n",
        "line 1: the tag !!python/name:os.system is not allowed; remove",
    ),
    "a tuple": ("b: 1\na: !!python/tuple [1]\n", "line 2: the tag !!python/tuple is not allowed"),
    "a tag of a user": ("a: !mine {b: 1}\n", "line 1: the tag !mine is not allowed; remove it"),
    "a tagged number": ("a: !!int %s\n" % ("1:" * 300 + "1"), "line 1: a number has 601 characters"),
    "bytes": ("a: !!binary aGVsbG8=\n", "line 1: the tag !!binary is not allowed"),
    "a null character": ('a: "images\\0001"\n', "line 1: a text contains a null character"),
    "a set": ("a: !!set {b}\n", "line 1: the tag !!set is not allowed"),
    "another version": ("%YAML 9.0\n---\na: 1\n", "is not YAML .line 1: .*; remove the line that begins with %YAML"),
    "no version": ("%YAML 9\n---\na: 1\n", "is not YAML .line 1: .*; remove the line that begins with %YAML"),
    "a directive": ("%FOO\n---\na: 1\n", "is not YAML .line 1: .*; remove the line that begins with %"),
    "an equals sign": ("a: [=]\n", "is not YAML .line 1: .*; put the text in quotes"),
    "a merge among values": ("a: [<<]\n", "is not YAML .line 1: .*; put the text in quotes"),
    "a merged number": ("a: {<<: 3}\n", "is not YAML .line 1: .*; after <<, write an alias of a section"),
    "a merged list": ("a:\n  <<: [{b: 1}, 4]\n", "is not YAML .line 2: .*; after <<, write an alias of a section"),
    **{
        f"{number} among values": (
            f"a: 1\nb: [{number}]\n",
            f"line 2: YAML reads {number} as {value}; write {advice}, or",
        )
        for number, value, advice in [
            ("010", "8", "10 or 8"),
            ("-010", "-8", "-10 or -8"),
            ("0_10", "8", "10 or 8"),
            ("1:30", "90", "90"),
            ("-1:30", "-90", "-90"),
            ("1:00:00", "3600", "3600"),
            ("1:30.5", "90.5", "90.5"),
        ]
    },
    **{
        f"the key {key}": (f"a: 1\n{key}: 3\n", f'line 2: YAML does not read the key {key} as text; write "{key}"')
        for key in ("true", "on", "No", "null", "~", "1.5", "010", "1:30", "2026-01-02", "0x10")
    },
    **{
        f"code of YTE, {how}": (text, "line 1: __use_yte__ would run code in this file; remove the key")
        for how, text in [
            ("switched on", "__use_yte__: true\nexperiment: ?open('x')\n"),
            ("switched off", "__use_yte__: false\n"),
            ("in quotes", '"\\x5f_use_yte__": true\n'),
            ("with a tag", "!!str __use_yte__: true\n"),
            ("in a section to be merged", "a: &a {__use_yte__: true}\n<<: *a\n"),
        ]
    },
    "no key": ("a: 1\n?\n: 3\n", "line 2: YAML does not read the key .nothing. as text"),
    "a list as a key": ("a: 1\n? [1, 2]\n: 3\n", "line 2: a key is a list or a section; write text"),
    "a key in braces": ("a: {b}: 1\n", "is not YAML .line 1"),
    "keys in braces": ("a:\n  {b}: 1\n", "line 2: a key is a list or a section; .*in quotes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_lossy_and_endless_yaml_is_refused_at_once(tmp_path, name):
    text, told = REFUSED[name]
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(YamlError, match=f"^{tmp_path / 'c.yaml'}.*{told}"):
        load_yaml(tmp_path / "c.yaml")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(YamlError, match=r"none\.yaml does not exist"):
        load_yaml(tmp_path / "none.yaml")
    with pytest.raises(YamlError, match=r"cannot be read \(Is a directory\)"):
        load_yaml(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("a: 1\nb: caf\xe9\n".encode("latin-1"))
    with pytest.raises(YamlError, match="line 2 is not UTF-8 text"):
        load_yaml(tmp_path / "latin.yaml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marks_and_line_ends(tmp_path, encoding):
    (tmp_path / "c.yaml").write_bytes("a: caf\xe9\r\nb: [1, 2]\r\n".encode(encoding))
    assert load_yaml(tmp_path / "c.yaml") == {"a": "caf\xe9", "b": [1, 2]}


def test_ordinary_yaml_is_read(tmp_path):
    text = """
base: &base {steps: 3, rate: 0.1}
numbers: [0, 007, -1, +1, 1_600, 0x10, 0b11, 0.5, 00.5, 1e-4, 1.0e-4, "010", '1:30', 08, 0:9, 12:60:60]
words: [yes, off, null, 2026-01-02, !!str 010, !!str yes]
tagged: [!!float 1e-4, !!int "3", !!int 010, !!bool "yes", !!null '']
labels: {1: a, -3: b, 0: c, "on": d, '~': e}
runs:
- {name: a, training: {<<: *base, steps: 4}}
- {name: b, training: *base}
steps: 5   # a key of another section
long: "%s"
""" % ("9" * 5000)
    (tmp_path / "c.yaml").write_text(text)
    assert load_yaml(tmp_path / "c.yaml") == yaml.safe_load(text)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=20,
)


@given(values, st.booleans())
def test_any_values_that_were_written_are_read(tmp_path_factory, value, flow):
    path = tmp_path_factory.mktemp("y") / "c.yaml"
    path.write_text(yaml.safe_dump(value, default_flow_style=flow), encoding="utf-8")
    assert load_yaml(path) == value

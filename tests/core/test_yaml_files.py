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
    "an alias of itself": ("a: &a [*a]\n", "line 1: \\*a is unknown, or part of what it repeats"),
    "an unknown alias": ("a: *b\n", "line 1: \\*b is unknown"),
    "a long number": (f"seed: {'9' * 5001}\n", "line 1: a number has 5001 characters"),
    "a long fraction": (f"seed: 0.{'9' * 500}e-5\n", "line 1: a number has"),
    "a date that is none": ("a: 2026-13-45\n", "is not YAML .month must be in 1..12"),
    "tabs": ("a:\n\tb: 1\n", "is not YAML .line 2"),
    "an open quote": ("a: 'b\n", "is not YAML"),
    "two documents": ("a: 1\n---\nb: 2\n", "is not YAML .line 2"),
    "an object of Python": ("a: !!python/object/apply:os.getcwd []\n", "is not YAML .line 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_loses_values_or_is_endless_is_refused_at_once(tmp_path, name):
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


def test_what_a_person_may_write(tmp_path):
    text = """
base: &base {steps: 3, rate: 0.1}
runs:
- {name: a, training: {<<: *base, steps: 4}}
- {name: b, training: *base}
steps: 5   # a key of another section
long: "%s"
""" % ("9" * 5000)
    (tmp_path / "c.yaml").write_text(text)
    assert load_yaml(tmp_path / "c.yaml") == yaml.safe_load(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=20,
)


@given(values, st.booleans())
def test_any_values_that_were_written_are_read(tmp_path_factory, value, flow):
    path = tmp_path_factory.mktemp("y") / "c.yaml"
    path.write_text(yaml.safe_dump(value, default_flow_style=flow), encoding="utf-8")
    assert load_yaml(path) == value

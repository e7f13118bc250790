"""What classes are made of: tables that are read, written, and refused."""

import pytest

from parley.core.errors import ParleyError
from parley.dataset.attributes import read_attributes, world_attributes, write_attributes
from parley.synthetic.attributes import ATTRIBUTES, CREATURES


def values_of(known, name):
    return {
        attribute: texts[code]
        for attribute, texts, code in zip(known.names, known.values, known.codes[name], strict=True)
    }


def test_creatures_have_the_attributes_in_their_descriptions():
    known = world_attributes()
    for creature in CREATURES:
        own = values_of(known, creature.name)
        assert set(own) == set(ATTRIBUTES)
        assert all(value in creature.description for value in own.values())


def test_a_given_table_is_written_in_the_order_of_the_classes(tmp_path):
    given = tmp_path / "given.tsv"
    given.write_text("class\tlegs\twings\nfly\tsix\tyes\ncat\tfour\tno\nant\tsix\tno\n")
    write_attributes(given, ["cat", "fly"], tmp_path / "out.tsv")
    written = read_attributes(tmp_path / "out.tsv")
    assert list(written.codes) == ["cat", "fly"]
    assert values_of(written, "cat") == {"legs": "four", "wings": "no"}
    codes = read_attributes(given).of(["cat", "fly", "ant"])
    # The same number where, and only where, the value is the same.
    assert codes[1, 0] == codes[2, 0] != codes[0, 0]
    assert codes[0, 1] == codes[2, 1] != codes[1, 1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("class\tlegs\ncat\tfour\n", "has 1 columns of attributes, besides `class`; it needs at least two"),
        ("class\ta\tb\ncat\t1\t2\ncat\t1\t3\n", "has the class cat twice"),
        ("class\ta\tb\ncat\t1\t\n", "class cat: b is empty"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path, text, sentence):
    path = tmp_path / "a.tsv"
    path.write_text(text)
    with pytest.raises(ParleyError, match=sentence):
        read_attributes(path)


def test_classes_without_attributes_are_reported(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("class\ta\tb\ncat\t1\t2\n")
    with pytest.raises(ParleyError, match=r"a\.tsv has no attributes for dog; add a line per class"):
        write_attributes(path, ["cat", "dog"], tmp_path / "out.tsv")
    with pytest.raises(ParleyError, match=r"for cats \(did you mean cat\?\); add a line"):
        read_attributes(path).of(["cats"])
    with pytest.raises(ParleyError, match="The bundled world has no attributes for cat"):
        write_attributes(None, ["cat"], tmp_path / "out.tsv")

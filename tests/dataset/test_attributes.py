"""What classes are made of: tables that are read, written, and refused."""

import pytest

from parley.core.errors import ParleyError
from parley.dataset.attributes import AttributeFiles, read_attributes, world_attributes, write_attributes
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
    write_attributes(AttributeFiles(given), ["cat", "fly"], tmp_path / "out.tsv")
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
        ("class\tlegs\ncat\tfour\n", "has 1 column in addition to `class`, but needs at least two attributes"),
        ("class\ta\tb\ncat\t1\t2\ncat\t1\t3\n", "has the class cat twice"),
        ("class\ta\tb\ncat\t1\t\n", "class cat: b is empty"),
        ("class\ta\tb\ncat\t1\t2\ncat \t1\t3\n", "has the class cat twice"),
        ("class\ta\tb\ncat\t1\t2\nCat\t1\t3\n", "has the class Cat twice .the first time as cat.; remove one"),
        ("class\ta\tb\nlo\u0308we\t1\t2\nl\u00f6we\t1\t3\n", "twice .the first time as"),
        ("class\ta\tb\n \t1\t2\n", "has a row without a class; name it, or remove the row"),
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
    with pytest.raises(ParleyError, match=r"'dog' is not in .*a\.tsv \(.*such as cat\); correct the name or add"):
        write_attributes(AttributeFiles(path), ["cat", "dog"], tmp_path / "out.tsv")
    with pytest.raises(ParleyError, match=r"for cats \(did you mean cat\?\); add a line"):
        read_attributes(path).of(["cats"])
    with pytest.raises(ParleyError, match="The bundled world has no attributes for cat"):
        write_attributes(None, ["cat"], tmp_path / "out.tsv")


def lay_out(folder, **files):
    """Write files, named by the fields of AttributeFiles, and return their paths."""
    for name, text in files.items():
        (folder / name).write_text(text)
    return AttributeFiles(*(folder / name for name in ("values", "rows", "columns")))


# As in Animals with Attributes 2: names with + for a space, numbered lines, a number per class and attribute.
AWA = {
    "values": "0 1 1\n 1 0 1 \n1 1 0\n",
    "rows": "     1\tantelope\n     2\tgrizzly+bear\n     3\tkiller+whale\n",
    "columns": "    1\tblack\n    2\tblue\n    3\tnew world\n",
}
# As in CUB-200-2011: per cent of people who saw it.
CUB = {
    "values": "12.5 80.0\n50.0 49.9\n",
    "rows": "1 001.Black_footed_Albatross\n2 002.Laysan_Albatross\n",
    "columns": "1 has_bill_shape::curved_(up_or_down)\n2 has_wing_color::blue\n",
}


def test_a_matrix_gives_the_classes_of_the_experiment_and_no_others(tmp_path):
    files = lay_out(tmp_path, **AWA)
    known = files.read(["Killer whale", "antelope"])
    assert known.names == ["black", "blue", "new world"]
    assert values_of(known, "Killer whale") == {"black": "1", "blue": "1", "new world": "0"}
    assert values_of(known, "antelope") == {"black": "0", "blue": "1", "new world": "1"}
    write_attributes(files, ["Killer whale", "antelope", "grizzly bear"], tmp_path / "out.tsv")
    lines = ["class\tblack\tblue\tnew world", "Killer whale\t1\t1\t0", "antelope\t0\t1\t1", "grizzly bear\t1\t0\t1"]
    assert (tmp_path / "out.tsv").read_text().splitlines() == lines


@pytest.mark.parametrize("delimiter", ["\t", ",", ";", " ; ", ", "])
def test_a_matrix_may_have_any_delimiter(tmp_path, delimiter):
    files = lay_out(tmp_path, **{**AWA, "values": AWA["values"].strip().replace(" ", delimiter)})
    assert files.read(["grizzly bear"]).codes == lay_out(tmp_path, **AWA).read(["grizzly bear"]).codes


def test_a_matrix_of_fractions_needs_a_threshold(tmp_path):
    files = lay_out(tmp_path, **CUB)
    with pytest.raises(ParleyError, match=r"row 1 has the number 12\.5; set evaluation\.attribute_threshold"):
        files.read(["Laysan albatross"])
    for threshold, expected in ((50, [[0, 1], [0, 0]]), (49.9, [[0, 1], [1, 0]]), (0, [[1, 1], [1, 1]])):
        known = files._replace(threshold=threshold).read(["black-footed albatross", "Laysan albatross"])
        found = [list(values_of(known, name).values()) for name in ("black-footed albatross", "Laysan albatross")]
        assert [[int(value) for value in row] for row in found] == expected


def test_numbers_of_a_matrix_are_not_rounded(tmp_path):
    files = lay_out(tmp_path, values="0.50000001 1\n0.49999999 0\n", rows="ape\nbee\n", columns="black\nblue\n")
    known = files._replace(threshold=0.5).read(["ape", "bee"])
    assert [values_of(known, name)["black"] for name in ("ape", "bee")] == ["1", "0"]
    (tmp_path / "values").write_text("1000001 1.0\n1000002 1\n")
    known = files.read(["ape", "bee"])
    assert known.values == [["1000001", "1000002"], ["1"]]


def test_row_of_wrong_length_is_reported_with_many_attributes(tmp_path):
    names = "".join(f"{number} a{number}\n" for number in range(1, 30_001))
    with pytest.raises(ParleyError, match=r"row 1 has 3 numbers, but .* has 30000 attributes"):
        lay_out(tmp_path, **{**AWA, "columns": names}).read(["antelope"])


def test_a_csv_is_read_like_a_tsv_and_binarised(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('class,"size, in m",tail\r\ncat,0.4,0.9\r\n"House Mouse",0.1,0.9\r\n')
    assert values_of(AttributeFiles(path).read(["cat"]), "cat") == {"size, in m": "0.4", "tail": "0.9"}
    known = AttributeFiles(path, threshold=0.2).read(["cat", "house mouse"])
    assert values_of(known, "house mouse") == {"size, in m": "0", "tail": "1"}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"values": "0 1 1\n1 0 1\n"}, "values has 2 rows, but .*rows has 3 classes; use files of one data set"),
        ({"values": "0 1 1\n"}, "values has 1 row, but"),
        ({"values": "0,5 1,0 1,0\n1 0 0\n1 1 0\n"}, "row 1 has decimal commas; write decimal points"),
        ({"values": "0,5;1,0;1,0\n1;0;0\n1;1;0\n"}, "row 1 has decimal commas; write decimal points"),
        ({"values": "0 1 1\n1 0\n1 1 0\n"}, "row 2 has 2 numbers, but .*columns has 3 attributes"),
        ({"values": "0 1 1\n1 0 x\n1 1 0\n"}, "row 2 has 'x', which is not a number"),
        ({"values": "0 1 1\n1 0 nan\n1 1 0\n"}, "row 2 has 'nan', which is not a number"),
        ({"rows": "1 antelope\n3 grizzly+bear\n4 whale\n"}, "line 2 is '3 grizzly.bear'; number the lines from 0 or 1"),
        ({"rows": "ape\nbee\nape\n"}, "rows has 'ape' twice"),
        ({"rows": f"{'1' * 5000} ape\n2 bee\n3 ape\n"}, "Class 'antilope' is not in"),
        ({"columns": "black\n"}, "columns needs at least two attributes"),
        ({"columns": "black\nclass\nblue\n"}, "none of them named `class`"),
        ({}, r"Class 'antilope' is not in .*values \(did you mean antelope\?\); correct the name or add"),
    ],
)
def test_files_that_disagree_are_refused(tmp_path, changed, sentence):
    with pytest.raises(ParleyError, match=sentence):
        lay_out(tmp_path, **{**AWA, **changed}).read(["antilope"])


def test_a_matrix_needs_both_lists_and_a_csv_a_header(tmp_path):
    files = lay_out(tmp_path, **AWA)
    with pytest.raises(ParleyError, match=r"evaluation\.attribute_names are both given; set both or neither"):
        files._replace(columns=None).read(["antelope"])
    for text, told in (
        ("name,a,b\ncat,1,2\n", "has no column class in its first line; it must be a comma-separated table"),
        ("class,a,a\ncat,1,2\n", "several columns named 'a' in its first line"),
        (",class,a,b\n0,cat,1,2\n", "a column without a name in its first line, such as pandas' index"),
        ("class;a;b\ncat;1;2\n", "columns separated by semicolons, not commas"),
        ("class\ta\tb\ncat\t1\t2\n", "columns separated by tabs, not commas"),
        ("Class,a,b\ncat,1,2\n", "has 'Class' in its first line; write names in lower case"),
        ('class,a,b\ncat,"1,2\n', "line 2: a quote opens here and is never closed"),
        ("", "is empty, or begins with an empty line"),
    ):
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(ParleyError, match=told):
            AttributeFiles(tmp_path / "a.csv").read(["cat"])
    (tmp_path / "a.csv").write_text(f"class,a,b\ncat,1,{'2' * 20_000_000}\n")
    with pytest.raises(ParleyError, match=r"a.csv, line 2: it is not comma-separated text .field larger than field"):
        AttributeFiles(tmp_path / "a.csv").read(["cat"])
    (tmp_path / "a.csv").write_text("class,a,b\ncat,1\n")
    with pytest.raises(ParleyError, match="line 2 has 2 fields, but the first has 3"):
        AttributeFiles(tmp_path / "a.csv").read(["cat"])

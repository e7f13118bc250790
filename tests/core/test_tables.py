import csv

import pytest

from parley.core.errors import ParleyError
from parley.core.tables import header_of, read_csv, read_table, stream_classes, stream_table, write_csv, write_table


def test_columns_are_in_the_requested_order(tmp_path):
    write_table(tmp_path / "t.tsv", ["a", "b", "c"], [(1, "x y", None), (2, "\u2028", '"')])
    assert header_of(tmp_path / "t.tsv") == ["a", "b", "c"]
    assert list(stream_table(tmp_path / "t.tsv", ["c", "a"])) == [("", "1"), ('"', "2")]
    assert list(stream_table(tmp_path / "t.tsv", ["b"])) == [("x y",), ("\u2028",)]


def test_crlf_byte_order_mark_and_blank_lines(tmp_path):
    (tmp_path / "t.tsv").write_bytes(b"\xef\xbb\xbfa\tb\r\n1\t2\r\n\r\n3\t4")
    assert list(stream_table(tmp_path / "t.tsv", ["a", "b"])) == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a\tc\n1\t2\n", "no column b"),
        (b"", "t.tsv is empty"),
        (b"\n1\t2\n", "begins with an empty line"),
        ("a\tb\n1\t2\n".encode("utf-16-le"), "UTF-16 without a byte order mark"),
        (b"a\tb\n1\t2\nx\t\xe9\n", r"line 3 is not UTF-8 text \(byte 0xe9\); it seems to be Latin-1"),
        (b"a,b\n1,2\n", "columns separated by commas, not tabs; it must be a tab-separated table"),
        (b'"a";"b"\n1;2\n', "columns separated by semicolons, not tabs"),
        (b"a | b | c\n1|2|3\n", "columns separated by vertical bars, not tabs"),
        (b"A     b   c\n1     2   3\n", "columns separated by spaces, not tabs"),
        (b'"a"\t"b"\n"1"\t"2"\n', "has '\"a\"', '\"b\"' in its first line; write names in lower case, without quotes"),
        (b"A\tb \n1\t2\n", "has 'A', 'b ' in its first line; write names in lower case, without quotes or spaces"),
        (b"c,b\n1,2\n", "no column a, b in its first line; it must be a tab-separated table"),
        (b"a\tb\n1\t2\r3\t4\n", "line 2 contains a carriage return inside a line"),
        (b"a\tb\n1,2\n", "line 2 has 1 fields, but the header has 2; separate fields by single tabs"),
        (b"a\tb\n1\t2\n3\n", "line 3 has 1 fields, but the header has 2"),
        (b"a\tb\n1\t\xff\n", "line 2 is not UTF-8"),
        (b"a\t\xff\n1\t2\n", "line 1 is not UTF-8"),
    ],
)
def test_malformed_table_errors(tmp_path, content, told):
    (tmp_path / "t.tsv").write_bytes(content)
    with pytest.raises(ParleyError, match=told):
        list(stream_table(tmp_path / "t.tsv", ["a", "b"]))


def test_missing_file_error(tmp_path):
    with pytest.raises(ParleyError, match="does not exist"):
        list(stream_table(tmp_path / "t.tsv", ["a"]))
    with pytest.raises(ParleyError, match="does not exist"):
        header_of(tmp_path / "t.tsv")


@pytest.mark.parametrize("reader", [header_of, lambda path: list(stream_table(path, ["a"]))])
def test_a_folder_given_as_table_is_reported(tmp_path, reader):
    with pytest.raises(ParleyError, match="is a folder, not a text file; give the path of a file"):
        reader(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a\tb\rc\n1\t2\n", "line 1 contains a carriage return inside a line"),
        (b"a\tb\r\n1\t2\r\n\r\n3\r3\t4\r\n", "line 4 contains a carriage return inside a line"),
        (b"\ta\n0\t1\n", "a column without a name in its first line, such as pandas' index"),
        (b"a\tb\t\t\n0\t1\t\t\n", "a column without a name"),
        (b"a\tb\ta\n1\t2\t3\n", "several columns named 'a' in its first line"),
    ],
)
def test_a_table_that_could_not_be_written_again_is_not_read(tmp_path, content, told):
    (tmp_path / "t.tsv").write_bytes(content)
    with pytest.raises(ParleyError, match=told):
        read_table(tmp_path / "t.tsv", ["a"])


def classes_of(path, wanted=None):
    return {name: list(rows) for name, rows in stream_classes(path, ["key"], wanted)}


def test_classes_are_read_in_order_and_unwanted_ones_skipped(tmp_path):
    write_table(tmp_path / "t.tsv", ["key", "class"], [(1, "b"), (2, "b"), (3, "a"), (4, "c")])
    a, b, c = [("a", "3")], [("b", "1"), ("b", "2")], [("c", "4")]
    assert classes_of(tmp_path / "t.tsv") == {"b": b, "a": a, "c": c}
    assert classes_of(tmp_path / "t.tsv", {"a", "c"}) == {"a": a, "c": c}
    assert [next(rows) for _, rows in stream_classes(tmp_path / "t.tsv", ["key"])] == [b[0], a[0], c[0]]


def test_noncontiguous_rows_of_a_class_are_refused(tmp_path):
    write_table(tmp_path / "t.tsv", ["class", "key"], [("b", 1), ("a", 3), ("b", 4)])
    with pytest.raises(ParleyError, match="class 'b': the rows are not contiguous"):
        classes_of(tmp_path / "t.tsv")


@pytest.mark.parametrize(
    "text", ["'=1", "''-a", "'", "''", "'a", "a'=1", "=", "'\t", "nan", "NA", '"', "a,b\nc", " =1"]
)
def test_csv_text_survives_a_round_trip(tmp_path, text):
    write_csv(tmp_path / "t.csv", ["class", "n"], [{"class": text, "n": 1}])
    assert read_csv(tmp_path / "t.csv") == [{"class": text, "n": "1"}]


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1", "=cmd|' /C calc'!A0"])
def test_csv_text_is_not_read_as_a_formula_by_spreadsheets(tmp_path, text):
    rows = [{"class": text, "mean": -0.5}, {"class": "'a'", "mean": None}, {"class": "a=b", "mean": -1e-9}]
    write_csv(tmp_path / "t.csv", ["class", "mean"], rows)
    with (tmp_path / "t.csv").open(newline="") as stream:
        shown = list(csv.reader(stream))
    assert shown[1:] == [[f"'{text}", "-0.5"], ["'a'", ""], ["a=b", "-1e-09"]]
    assert [row["class"] for row in read_csv(tmp_path / "t.csv")] == [text, "'a'", "a=b"]

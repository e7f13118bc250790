import csv

import pytest

from parley.core.errors import ParleyError
from parley.text.descriptions import Description, listed_ids, read_descriptions, write_descriptions

ROWS = [Description(0, "lion", "large feline"), Description(1, "Königstiger", "striped feline; asia")]


def test_written_descriptions_are_read_back(tmp_path):
    write_descriptions(tmp_path / "d.csv", ROWS)
    assert read_descriptions(tmp_path / "d.csv") == ROWS


def test_the_original_implementation_can_read_the_file(tmp_path):
    write_descriptions(tmp_path / "d.csv", ROWS)
    text = (tmp_path / "d.csv").read_text(encoding="utf-8")
    assert [line.split(",") for line in text.splitlines()] == [[str(row.label_id), *row[1:]] for row in ROWS]
    assert [row[1] for row in csv.reader(text.splitlines())] == ["lion", "Königstiger"]


def test_rows_in_any_order_are_read_by_label(tmp_path):
    (tmp_path / "d.csv").write_text("1,tiger,striped\n0,lion,maned\n")
    assert [row.label for row in read_descriptions(tmp_path / "d.csv")] == ["lion", "tiger"]


def test_keeps_words_for_missing_values_as_text_and_strips_spaces(tmp_path):
    (tmp_path / "d.csv").write_text("0, nan , NaN\n 1 ,NA,null\n2,Lion,\ta \x0bcat\n3,lion,b\n")
    rows = [(0, "nan", "NaN"), (1, "NA", "null"), (2, "Lion", "a \x0bcat"), (3, "lion", "b")]
    assert read_descriptions(tmp_path / "d.csv") == rows


@pytest.mark.parametrize("ids", [(0, 1), (3, 11), (7, 2**31 - 1), (1, 2)])
def test_label_ids_may_have_gaps(tmp_path, ids):
    rows = [Description(label, name, "maned") for label, name in zip(ids, ("lion", "tiger"), strict=True)]
    write_descriptions(tmp_path / "d.csv", rows[::-1])
    assert read_descriptions(tmp_path / "d.csv") == rows


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([4], "4"),
        ([4, 5], "4, 5"),
        ([0, 1, 2], "0 to 2"),
        ([3, 4, 9], "3, 4, 9"),
        ([*range(0, 24, 2)], "0, 2, 4, 6, 8, 10, 12, 14, 16, 18 and 2 more"),
    ],
)
def test_ids_as_text(ids, text):
    assert listed_ids(ids) == text


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        (
            "label_id,label,description\n0,lion,maned\n",
            ["line 1: the label id 'label_id' is not a non-negative integer"],
        ),
        ("0,lion,large, maned\n1,tiger\n", ["line 1: 4 fields", "line 2: 2 fields"]),
        ("0,lion,maned\n00,tiger,striped\n", ["the label ids 0 are repeated"]),
        ("5,lion,maned\n5,tiger,striped\n9,lion,x\n", ["the label ids 5 are repeated", "the labels lion are repeated"]),
        ("2147483648,lion,maned\n", ["line 1: the label id 2147483648 of 10 digits is too large"]),
        (f"{5001 * '1'},lion,maned\n", ["line 1: the label id 1111111111 of 5001 digits is too large"]),
        ("0,lion,maned\n1,lion,striped\n", ["the labels lion are repeated"]),
        ("0,lion, \n1,,x\n-1,tiger,x\n", ["line 1: the description of 'lion'", "line 2: the label", "line 3"]),
        ("", ["describes no class"]),
        ("0;lion;maned\n", ["line 1: its fields are separated by semicolons; separate"]),
        ("0\tlion\tmaned\n", ["line 1: its fields are separated by tabs"]),
        ("0 lion maned\n", ["line 1: its fields are separated by spaces"]),
        ("lion\n", ["line 1: 1 fields instead of"]),
        ("0,lion,maned\n1,lion ,striped\n", ["the labels lion are repeated"]),
        ("0,l\u00f6we,maned\n1,lo\u0308we,striped\n", ["the labels löwe are repeated"]),
        ("0,lion,a\x1b[31m cat\x00\n", [r"the description of 'lion' contains control characters (\x1b, \x00)"]),
    ],
)
def test_all_problems_are_reported_at_once_with_their_lines(tmp_path, text, findings):
    (tmp_path / "d.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ParleyError) as caught:
        read_descriptions(tmp_path / "d.csv")
    assert len(caught.value.findings) == len(findings)
    for sentence, finding in zip(caught.value.findings, findings, strict=True):
        assert finding in sentence
        assert str(tmp_path / "d.csv") in sentence


@pytest.mark.parametrize("content", [None, b"0,lion,\xff\xfe\n"])
def test_a_missing_or_foreign_file_is_reported(tmp_path, content):
    if content is not None:
        (tmp_path / "d.csv").write_bytes(content)
    with pytest.raises(ParleyError, match=r"d\.csv"):
        read_descriptions(tmp_path / "d.csv")


@pytest.mark.parametrize("label", ["\r=1", "\t=1", "a\tb", "a\x1b[2J"])
def test_a_label_with_a_control_character_is_refused(tmp_path, label):
    (tmp_path / "d.csv").write_bytes(f'0,"{label}",a b\n'.encode())
    with pytest.raises(
        ParleyError, match=r"d\.csv, line 1: the label .* contains a tab, a line break or another control"
    ):
        read_descriptions(tmp_path / "d.csv")

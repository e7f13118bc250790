import csv

import pytest

from parley.core.errors import ParleyError
from parley.text.descriptions import Description, read_descriptions, write_descriptions

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


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("label_id,label,description\n0,lion,maned\n", ["line 1: the label id 'label_id' is not an integer"]),
        ("0,lion,large, maned\n1,tiger\n", ["line 1: 4 fields", "line 2: 2 fields"]),
        ("0,lion,maned\n2,tiger,striped\n", ["its 2 label ids are not 0 to 1"]),
        ("0,lion,maned\n0,tiger,striped\n", ["its 2 label ids are not 0 to 1"]),
        ("0,lion,maned\n1,lion,striped\n", ["the labels lion are repeated"]),
        ("0,lion, \n1,,x\n-1,tiger,x\n", ["line 1: the description of 'lion'", "line 2: the label", "line 3"]),
        ("", ["describes no class"]),
    ],
)
def test_all_problems_are_reported_at_once_with_their_lines(tmp_path, text, findings):
    (tmp_path / "d.csv").write_text(text)
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

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.core.errors import ParleyError
from parley.core.text import control_characters
from parley.dataset.class_set import ImageClass
from parley.text.descriptions import read_descriptions, write_descriptions
from parley.text.glosses import check_glosses, describe, gloss_lines, in_one_field, needs_wordnet
from parley.text.wordnet import DEBIAN_DIRECTORY, installed_nouns

OWN = ImageClass("blob", "", "out", description='round, red;\nwith "horns",\tand  a tail')
LION = ImageClass("lion", "n02129165", "in")
PEACOCK = ImageClass("peacock", "n01806143", "in")
installed = pytest.mark.skipif(not installed_nouns(DEBIAN_DIRECTORY), reason="Debian's wordnet-base is not installed")


def test_classes_with_their_own_text_need_no_wordnet(tmp_path):
    assert not needs_wordnet([OWN])
    assert [tuple(row) for row in describe([OWN], tmp_path / "none")] == [
        (0, "blob", "round red; with horns and a tail")
    ]


def test_a_class_without_text_needs_wordnet(tmp_path):
    assert needs_wordnet([OWN, LION])
    with pytest.raises(ParleyError, match="WordNet is not at"):
        describe([OWN, LION], tmp_path / "none")


@installed
def test_label_order_and_glosses_by_wnid():
    rows = describe([OWN, LION, PEACOCK], DEBIAN_DIRECTORY)
    assert [(row.label_id, row.label) for row in rows] == [(0, "lion"), (1, "peacock"), (2, "blob")]
    assert rows[0].text.startswith("large gregarious predatory feline of Africa")
    assert "peafowl" in rows[1].text


@installed
def test_the_original_rule_describes_a_peacock_as_a_butterfly():
    assert describe([PEACOCK], DEBIAN_DIRECTORY, "original")[0].text.startswith("European butterfly")


@installed
def test_every_class_without_a_gloss_is_reported_at_once():
    wrong = [ImageClass("a", "n00000001", "in"), LION, ImageClass("b", "n00000002", "in"), ImageClass("c", "", "out")]
    with pytest.raises(ParleyError) as caught:
        describe(wrong, DEBIAN_DIRECTORY)
    assert [sentence.split(":")[0] for sentence in caught.value.findings] == ["Class 'a'", "Class 'b'", "Class 'c'"]


@installed
def test_a_wrong_wnid_is_reported_with_that_of_the_classs_name():
    told = check_glosses([LION, ImageClass("tiger", "n02129166", "in"), OWN], DEBIAN_DIRECTORY, "corrected")
    assert len(told) == 1
    assert "The first sense of 'tiger' is n10710632, a fierce or audacious person" in told[0]
    assert told[0].endswith("`uv run parley wnid tiger` lists all 2.")
    assert check_glosses([LION, PEACOCK], DEBIAN_DIRECTORY, "original") == []


@installed
def test_the_glosses_shown_before_a_run_are_those_of_classes_without_a_text():
    bass = [ImageClass(f"bass{number}", "n09842528", "in") for number in range(40)]
    lines = gloss_lines([OWN, LION, *bass], DEBIAN_DIRECTORY, "corrected", "d.csv")
    assert lines[1].startswith("  lion    large gregarious predatory feline")
    assert lines[2] == "  bass0   an adult male singer with the lowest voice"
    assert len(lines) == 1 + 30 + 1
    assert lines[-1] == "  and 11 more; all will be in d.csv"
    assert max(map(len, lines[1:])) <= 110


def test_glosses_are_not_checked_before_download(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = "https://wordnet.invalid/wordnet.tar.gz"
    assert check_glosses([LION, ImageClass("tiger", "n02129166", "in")], url, "corrected") == []
    (line,) = gloss_lines([OWN, LION], url, "corrected", "d.csv")
    assert line == "WordNet 3.0 is downloaded first; d.csv will show the glosses of 1 class."


def test_an_unknown_rule_and_an_empty_text_are_refused():
    with pytest.raises(ParleyError, match="`gloss` is 'first'"):
        describe([OWN], "", "first")
    with pytest.raises(ParleyError, match="'blob': its description is empty"):
        describe([ImageClass("blob", "", "in", description=' ,"')], "")


@given(st.text(min_size=1).filter(in_one_field).filter(lambda text: not control_characters(text)))
def test_any_text_survives_writing_and_reading(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("d") / "d.csv"
    rows = describe([ImageClass("blob", "", "in", description=text)], "")
    try:
        write_descriptions(path, rows)
    except UnicodeEncodeError:  # a lone surrogate is no text
        return
    assert read_descriptions(path) == rows
    assert "," not in rows[0].text

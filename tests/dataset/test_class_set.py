import re
from hashlib import sha256
from pathlib import Path

import pytest

from parley.core.errors import ParleyError
from parley.dataset.class_set import ImageClass, in_label_order, match_classes, read_class_set
from parley.text.glosses import check_glosses, describe
from parley.text.wordnet import open_wordnet

WORDNET = "/usr/share/wordnet"
SETS = Path(__file__).parents[2] / "config" / "classes"


def written(path, *rows, header="class\twnid\tdomain"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("word", ["nan", "NaN", "NA", "N/A", "null", "None", "true", "1e5", "-"])
def test_keeps_words_for_missing_values_as_text(tmp_path, word):
    header = "class\twnid\tdomain\tgroup\tdescription"
    path = written(tmp_path / "set.tsv", f"a\t\tin\t{word}\t{word}", header=header)
    assert read_class_set(path) == [ImageClass("a", "", "in", word, word)]
    if word not in ("N/A", "-"):
        (one,) = read_class_set(written(tmp_path / "set.tsv", f"{word}\t\tin\t\tcat", header=header))
        assert one.name == word


@pytest.mark.parametrize(
    ("text", "marks"),
    [("a\x1b[31m cat", r"\x1b"), ("\x07\x07cat\x00", r"\x07, \x00"), ("a\x0bcat", ""), ("a\u2028big\x85cat", "")],
)
def test_refuses_control_characters_except_line_breaks(tmp_path, text, marks):
    for cells in (f"cat\t{text}", f"{text}\tcat"):
        path = written(tmp_path / "set.tsv", f"a\t\tin\t{cells}", header="class\twnid\tdomain\tgroup\tdescription")
        if marks:
            with pytest.raises(ParleyError, match=re.escape(f"contains control characters ({marks}); remove them")):
                read_class_set(path)
        else:
            assert len(read_class_set(path)) == 1


def test_a_class_set_is_read_in_its_order(tmp_path):
    path = written(
        tmp_path / "set.tsv",
        "red fox\tn02119022\tin\tcanine\t",
        "bee\tn02206856\ttransfer\tinsect\t",
        "Mönch's \tn00000001\tin\t\t".replace(" \t", "\t"),
        "drawn\t\tout\t\tA green creature, with horns.",
        header="class\twnid\tdomain\tgroup\tdescription",
    )
    assert read_class_set(path) == [
        ImageClass("red fox", "n02119022", "in", "canine"),
        ImageClass("bee", "n02206856", "transfer", "insect"),
        ImageClass("Mönch's", "n00000001", "in"),
        ImageClass("drawn", "", "out", "", "A green creature, with horns."),
    ]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("Lion\tn00000002\tin", r"line 3: the class 'Lion' is already on line 2"),
        ("hen\tn02129165\tin", r"line 3, class 'hen': the wnid n02129165 is already on line 2"),
        ("hen\t02129165\tin", "is not 'n' and eight digits"),
        ("hen\tn0212916\tin", "is not 'n' and eight digits"),
        ("hen\tn٠٢١٢٩١٦٥\tin", "is not 'n' and eight digits"),
        ("hen\t\tin", "neither a wnid nor a description"),
        ("hen\tn00000002\tIn", "the domain 'In' is not one of in, out, transfer"),
        ("\tn00000002\tin", "the name is empty"),
        ("../hen\tn00000002\tin", "contains '..'"),
        ("../hen\tn00000002\tin", "contains a path separator"),
        ("a\\b\tn00000002\tin", "contains a path separator"),
        (".hen\tn00000002\tin", "begins with a dot"),
        ("hen,cock\tn00000002\tin", "contains a comma"),
        ("{hen}\tn00000002\tin", "contains a brace"),
        ("hen \tn00000002\tin", "begins or ends with a space"),
        ("he\x07n\tn00000002\tin", "control character"),
        ("he\u202en\tn00000002\tin", "control character"),
        ("ä" * 51 + "\tn00000002\tin", "longer than 100 bytes"),
    ],
)
def test_each_fault_is_reported_with_file_line_and_class(tmp_path, row, told):
    path = written(tmp_path / "set.tsv", "lion\tn02129165\tin", row)
    with pytest.raises(ParleyError, match=re.escape(told) if "'" in told else told) as error:
        read_class_set(path)
    assert all(str(path) in finding and "line 3" in finding for finding in error.value.findings)


def test_all_faults_are_reported_together(tmp_path):
    path = written(tmp_path / "set.tsv", "a/b\tx\tnowhere", "LION\tn1\tout", "lion\tn00000003\tout")
    with pytest.raises(ParleyError) as error:
        read_class_set(path)
    assert len(error.value.findings) == 6
    assert any("no class to train on" in finding for finding in error.value.findings)


def test_a_missing_column_or_file_is_reported(tmp_path):
    with pytest.raises(ParleyError, match="no column domain"):
        read_class_set(written(tmp_path / "set.tsv", "lion\tn02129165", header="class\twnid"))
    with pytest.raises(ParleyError, match="does not exist"):
        read_class_set(tmp_path / "none.tsv")


def test_labels_go_by_domain_and_then_by_the_sets_order():
    classes = [
        ImageClass(name, "", domain) for name, domain in zip("abcdef", ["transfer", "in", "out"] * 2, strict=True)
    ]
    assert [one.name for one in in_label_order(classes)] == list("becfad")


def test_the_shipped_class_sets_are_those_of_the_paper_and_of_the_2017_code():
    animals = read_class_set(SETS / "animals30.tsv")
    assert len(animals) == 30
    assert {one.domain for one in animals} == {"in"}
    assert animals[0] == ImageClass("stingray", "n01498041", "in", "fish")
    mammals = read_class_set(SETS / "mammals70.tsv")
    domains = [one.domain for one in mammals]
    assert (domains.count("in"), domains.count("out"), domains.count("transfer")) == (60, 10, 10)
    assert all(one.group for one in animals + mammals)


@pytest.mark.parametrize(("name", "unseen"), [("mammals70", 10), ("tiny-imagenet", 6), ("pets", 7)])
def test_the_unseen_classes_are_those_of_the_stated_rule(name, unseen):
    classes = [one for one in read_class_set(SETS / f"{name}.tsv") if one.domain != "transfer"]
    by_hash = sorted(classes, key=lambda one: sha256(one.name.encode()).hexdigest())
    assert {one.name for one in by_hash[:unseen]} == {one.name for one in classes if one.domain == "out"}


def test_the_unseen_classes_of_awa2_are_those_of_the_proposed_split():
    classes = read_class_set(SETS / "awa2.tsv")
    unseen = "bat blue_whale bobcat dolphin giraffe horse rat seal sheep walrus"
    assert [one.name for one in classes if one.domain == "out"] == unseen.split()
    assert len(classes) == 50


def test_unknown_columns_are_reported_with_a_suggestion(tmp_path):
    (tmp_path / "set.tsv").write_text("class\twnid\tdomain\tdescripton\tnotes\nlion\tn02129165\tin\tmy own\t\n")
    with pytest.raises(ParleyError) as error:
        read_class_set(tmp_path / "set.tsv")
    misspelt, unknown = error.value.findings
    assert misspelt.endswith("has the unknown column 'descripton'; did you mean description?")
    assert unknown.endswith("has the unknown column 'notes'; the columns are class, wnid, domain, group, description.")


@pytest.mark.skipif(not Path(WORDNET, "data.noun").exists(), reason="needs WordNet 3.0 (Debian: wordnet-base)")
@pytest.mark.parametrize("name", ["animals30", "awa2", "imagenette", "mammals70", "pets", "tiny-imagenet"])
def test_shipped_classes_match_wordnet(name):
    classes = [one for one in read_class_set(SETS / f"{name}.tsv") if one.wnid]
    assert check_glosses(classes, WORDNET, "corrected") == []
    wordnet = open_wordnet(WORDNET)
    others = {"german_shorthaired", "japanese_chin", "leonberger", "persian", "wheaten_terrier"}
    for one in classes:
        assert one.name in others or one.wnid in {sense.wnid for sense in wordnet.senses(one.name)}, one
    texts = [row.text for row in describe(read_class_set(SETS / f"{name}.tsv"), WORDNET)]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    "name",
    [
        *("../up", "/etc/passwd", "a/b", "a\\b", "..", ".hidden", "nul", "CON", "com1.tar", "aux.x", "LPT9", "COM²"),
        *(
            "a\x00b",
            "a\x1bb",
            "x" * 101,
            "ends.",
            "a:b",
            "a*b",
            "a?b",
            'a"b',
            "a<b",
            "a|b",
            "a\u202eb",
            "a\u2028b",
            " a",
        ),
        *("=1+1", "+a", "-a", "@a", "\uff1da", "\uff0ba", "=cmd|' /C calc'!A0"),
    ],
)
def test_a_name_that_is_not_a_file_name_on_every_system_is_refused(tmp_path, name):
    with pytest.raises(ParleyError, match=r"line 3, class .* the name "):
        read_class_set(written(tmp_path / "set.tsv", "lion\tn00000001\tin", f"{name}\tn00000002\tin"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lion", "LION"),
        ("straße", "STRASSE"),
        ("caf\u00e9", "cafe\u0301"),
        ("fish", "\ufb01sh"),
        ("lion", "\uff4c\uff49\uff4f\uff4e"),
        ("cat", "c\u0430t"),
        ("Tuna", "\u03a4una"),
        ("scope", "\u0455\u0441\u043e\u0440\u0435"),
    ],
)
def test_names_that_are_the_same_file_on_some_system_or_look_alike_are_refused(tmp_path, one, other):
    with pytest.raises(ParleyError, match=r"is already on line 2 \(names that differ only in case"):
        read_class_set(written(tmp_path / "set.tsv", f"{one}\tn00000001\tin", f"{other}\tn00000002\tin"))


def test_names_in_other_scripts_are_accepted(tmp_path):
    names = ["кот", "ток", "γάτα", "νέα", "ηώ", "猫", "ネコ", "قط", "constant", "company", "nullity", "a.b", "β-x"]
    rows = [f"{name}\tn{number:08d}\tin" for number, name in enumerate(names)]
    assert [one.name for one in read_class_set(written(tmp_path / "set.tsv", *rows))] == names


def matched(others, *names, wnid=""):
    return match_classes([ImageClass(name, wnid, "in") for name in names], others, "the archive")


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("grizzly bear", "grizzly+bear"),
        ("black-footed albatross", "001.Black_footed_Albatross"),
        ("airfield", "/a/airfield"),
        ("Zero", "0 - zero"),
        ("Geoffroy's tamarin", "Geoffroy_s_Tamarin"),
        ("chat a\u0300 poil", "Chat_\u00e0_poil"),
        ("7", "7"),
    ],
)
def test_a_class_is_found_whatever_the_spelling_of_another_data_set(name, other):
    assert matched([("x",), (other,)], name) == {name: (other,)}


def test_class_matching_prefers_wnid_then_exact_name():
    cranes = [("crane", "n02012849"), ("crane", "n03126707"), ("Crane",)]
    assert matched(cranes, "crane", wnid="n03126707") == {"crane": cranes[1]}
    assert matched(cranes, "Crane") == {"Crane": cranes[2]}
    with pytest.raises(ParleyError, match=r"'crane' matches several classes .*\(crane/n02012849, crane/n03126707"):
        matched(cranes, "crane")


def test_classes_that_are_not_found_are_all_named():
    with pytest.raises(ParleyError) as told:
        matched([("lion",), ("tiger",)], "loin", "zebra", "lion")
    assert told.value.findings == [
        "Class 'loin' is not in the archive (did you mean lion?); correct the class set.",
        "Class 'zebra' is not in the archive (the archive has 2 classes, such as lion, tiger); correct the class set.",
    ]
    with pytest.raises(ParleyError, match="Classes 'lion' and 'LION' both match lion of the archive; remove one"):
        matched([("lion",)], "lion", "LION")

"""`parley wnid` prints the senses of a noun, and which of them the class set has."""

import pytest

from parley.cli.main import main
from parley.text.wordnet import DEBIAN_DIRECTORY, installed_nouns

pytestmark = pytest.mark.skipif(not installed_nouns(DEBIAN_DIRECTORY), reason="Debian's wordnet-base is not installed")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("{experiment: a, classes: a.tsv, source: {kind: world}}\n")
    (tmp_path / "a.tsv").write_text("class\twnid\tdomain\nfish\tn02565573\tin\nhen\tn01514859\tout\n")
    return tmp_path


def test_every_sense_is_printed_and_those_of_the_class_set_are_marked(here, capsys):
    assert main(["wnid", "Bass"]) == 0
    out = capsys.readouterr().out
    assert out.count("\nn") == 7
    assert "n09842528  an adult male singer with the lowest voice\n           person: bass, basso\nn07777945" in out
    assert out.endswith("           animal: bass\n           in a.tsv as 'fish' (domain in)\n")
    assert out.count("a.tsv") == 1


def test_another_config_and_no_config(here, capsys):
    (here / "b.yaml").write_text("{experiment: b, source: {kind: features}}\n")
    assert main(["wnid", "polar", "bear", "--configfile", "b.yaml"]) == 0
    (here / "config.yaml").unlink()
    assert main(["wnid", "polar_bear"]) == 0
    gloss = "n02134084  white bear of Arctic regions\n"
    assert capsys.readouterr().out.count(gloss) == 2


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["lions"], "WordNet 3.0 has no noun 'lions'; did you mean lion?\n"),
        (["qwrzz"], "WordNet 3.0 has no noun 'qwrzz'; try a synonym or the singular.\n"),
        (["lion", "--configfile", "no.yaml"], "no.yaml does not exist; check the path.\n"),
    ],
)
def test_failed_lookups_are_reported_in_one_sentence(here, capsys, typed, told):
    assert main(["wnid", *typed]) == 1
    assert capsys.readouterr().err == told

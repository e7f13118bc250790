import pytest

from parley.core.errors import ParleyError
from parley.core.tables import read_table
from parley.dataset.candidates import select
from parley.dataset.class_set import ImageClass
from parley.dataset.listing import image_key
from parley.dataset.sources import SourceOptions

LION = ImageClass("lion", "n02129165", "in")
HEN = ImageClass("hen", "n01514859", "out")
BEE = ImageClass("bee", "n02206856", "in")
COUNTS = {"in": {"train": 4, "dev": 1}, "out": {"ood": 3}}


def listed(tmp_path, **urls):
    wnids = {one.name: one.wnid for one in (LION, HEN, BEE)}
    lines = [f"{wnids[name]}_{n}\t{url}" for name, each in urls.items() for n, url in enumerate(each)]
    (tmp_path / "list").write_text("\n".join(lines) + "\n")
    return tmp_path / "list"


def urls(name, number, host="static.flickr.com"):
    return [f"http://{host}/{name}{n}.jpg" for n in range(number)]


def test_candidates_are_in_the_class_sets_order_with_their_keys(tmp_path):
    path = listed(tmp_path, hen=urls("hen", 3), lion=urls("lion", 6))
    select(SourceOptions("url_list"), [LION, HEN], COUNTS, tmp_path / "c.tsv", path)
    rows = read_table(tmp_path / "c.tsv", ["class", "key", "url"])
    assert [row["url"] for row in rows] == urls("lion", 6) + urls("hen", 3)
    assert [row["class"] for row in rows] == ["lion"] * 6 + ["hen"] * 3
    assert all(row["key"] == image_key(row["url"]) for row in rows)


def test_all_short_classes_are_reported_together(tmp_path):
    path = listed(tmp_path, hen=urls("hen", 2), lion=urls("lion", 4) + urls("lion", 9, "other"))
    options = SourceOptions("url_list", filter_url="static.flickr")
    with pytest.raises(ParleyError) as error:
        select(options, [LION, HEN, BEE], COUNTS, tmp_path / "c.tsv", path)
    lion, hen, bee, advice = error.value.findings
    assert lion == "Class lion (n02129165): 4 of its 13 entries contain 'static.flickr' and can be used; 5 are needed."
    assert hen == "Class hen (n01514859): 2 of its 2 entries contain 'static.flickr' and can be used; 3 are needed."
    assert bee == "Class bee (n02206856) is absent from the source; 5 are needed."
    assert advice.startswith("3 of 3 classes")
    assert not (tmp_path / "c.tsv").exists()


def test_a_class_that_a_table_calls_otherwise_gets_a_suggestion(tmp_path):
    (tmp_path / "t.tsv").write_text("class\turl\n" + "".join(f"lions\t{url}\n" for url in urls("lion", 9)))
    with pytest.raises(
        ParleyError, match=r"Class lion \(n02129165\) is absent from the source \(did you mean lions\?\);"
    ):
        select(SourceOptions("manifest", manifest=tmp_path / "t.tsv"), [LION], COUNTS, tmp_path / "c.tsv")


def test_a_shortage_may_be_accepted_but_not_an_empty_class(tmp_path):
    path = listed(tmp_path, hen=urls("hen", 2), lion=urls("lion", 4))
    select(SourceOptions("url_list"), [LION, HEN], COUNTS, tmp_path / "c.tsv", path, on_shortage="accept")
    assert len(read_table(tmp_path / "c.tsv", ["key"])) == 6
    with pytest.raises(ParleyError, match=r"bee \(n02206856\) is absent"):
        select(SourceOptions("url_list"), [LION, BEE], COUNTS, tmp_path / "d.tsv", path, on_shortage="accept")


def test_with_drop_class_classes_may_be_short_or_empty(tmp_path, caplog):
    path = listed(tmp_path, lion=urls("lion", 4))
    select(SourceOptions("url_list"), [LION, BEE], COUNTS, tmp_path / "c.tsv", path, on_shortage="drop_class")
    assert {row["class"] for row in read_table(tmp_path / "c.tsv", ["class"])} == {"lion"}
    assert "Class bee (n02206856) is absent from the source; 5 are needed; the class will be dropped" in caplog.text
    lion = "Class lion (n02129165): 4 of its 4 entries can be used; 5 are needed; the class will be dropped"
    assert lion in caplog.text


def test_the_first_addresses_up_to_the_class_size_are_kept(tmp_path):
    path = listed(tmp_path, lion=urls("lion", 20))
    select(SourceOptions("url_list", class_size=7), [LION], COUNTS, tmp_path / "c.tsv", path)
    assert [row["url"] for row in read_table(tmp_path / "c.tsv", ["url"])] == urls("lion", 7)

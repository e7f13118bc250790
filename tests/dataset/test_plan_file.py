import pytest
from planned import reserves_in

from parley.core.errors import ParleyError
from parley.core.tables import read_table, write_table
from parley.dataset.class_set import ImageClass
from parley.dataset.listing import image_key
from parley.dataset.split_plan import (
    COLUMNS,
    candidate_queues,
    plan_class,
    plan_digests,
    publish_plan,
    stream_plan,
    write_plan,
)

CLASSES = [ImageClass("lion", "", "in"), ImageClass("yeti", "", "out"), ImageClass("hen", "", "in")]
COUNTS = {"in": {"train": 3, "dev": 1, "test": 1}, "out": {"ood": 4}, "transfer": {"transfer": 9}}


def urls_of(name, number=20):
    return [f"http://example.org/{name}/ä{index}.jpg" for index in range(number)]


def planned(folder, number=20, classes=CLASSES):
    """A plan of so many candidates a class."""
    rows = [(one.name, image_key(url), url) for one in classes for url in urls_of(one.name, number)]
    write_table(folder / "candidates.tsv", ["class", "key", "url"], rows)
    write_plan(folder / "candidates.tsv", classes, COUNTS, 11, folder / "plan.tsv")
    return folder / "plan.tsv"


def test_the_plan_is_written_and_read_back(tmp_path):
    plan = planned(tmp_path)
    rows = read_table(plan, COLUMNS)
    assert tuple(rows[0]) == ("class", "key", "part", "rank", "url")
    assert all(row["key"] == image_key(row["url"]) for row in rows)
    read = reserves_in(plan)
    assert list(read) == ["lion", "yeti", "hen"]
    assert {part: len(reserve) for part, reserve in read["lion"].items()} == {"train": 12, "dev": 4, "test": 4}
    assert read["yeti"].keys() == {"ood"}
    for one in CLASSES:
        keys = [image_key(url) for url in urls_of(one.name)]
        assert read[one.name] == plan_class(keys, COUNTS[one.domain], 11)


def test_rows_of_a_plan_that_are_not_consumed_are_skipped(tmp_path):
    plan, whole = planned(tmp_path), reserves_in(planned(tmp_path))
    firsts = [next(next(parts)[1]) for _, parts in stream_plan(plan)]
    assert firsts == [next(iter(reserves.values()))[0] for reserves in whole.values()]
    assert [name for name, _ in stream_plan(plan, {"hen"})] == ["hen"]


def test_the_published_plan_is_the_plan_without_urls(tmp_path):
    publish_plan(planned(tmp_path), tmp_path / "published.tsv")
    lines = (tmp_path / "plan.tsv").read_text().splitlines()
    assert (tmp_path / "published.tsv").read_text().splitlines() == [line.rpartition("\t")[0] for line in lines]
    assert lines[0] == "class\tkey\tpart\trank\turl"


@pytest.mark.parametrize("number", [1, 20, 500])
def test_queues_have_key_and_url_of_the_wanted_classes(tmp_path, number):
    plan = planned(tmp_path, number)
    queues = dict(candidate_queues(plan, {"hen", "lion"}))
    assert list(queues) == ["lion", "hen"]
    urls = {image_key(url): url for name in queues for url in urls_of(name, number)}
    expected = {name: parts for name, parts in reserves_in(plan).items() if name != "yeti"}
    assert queues == {
        name: {part: [(key, urls[key]) for key in keys] for part, keys in parts.items()}
        for name, parts in expected.items()
    }


def queues_of_ants_and_bees(plan):
    return dict(candidate_queues(plan, {"ant", "bee"}))


@pytest.mark.parametrize("read", [reserves_in, queues_of_ants_and_bees])
@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([("ant", "a", "train", 1)], "class 'ant', split train: the ranks have a gap"),
        ([("ant", "a", "train", 0), ("ant", "b", "train", 2)], "class 'ant', split train: the ranks have a gap"),
        (
            [("ant", "a", "train", 0), ("ant", "b", "dev", 0), ("ant", "c", "train", 0)],
            "class 'ant', split train: the rows are not contiguous",
        ),
        (
            [("ant", "a", "dev", 0), ("bee", "b", "dev", 0), ("ant", "c", "dev", 1)],
            "class 'ant': the rows are not contiguous",
        ),
    ],
)
def test_a_plan_out_of_order_is_refused(tmp_path, read, rows, complaint):
    table = [(name, key * 32, part, rank, "http://a") for name, key, part, rank in rows]
    write_table(tmp_path / "plan.tsv", COLUMNS, table)
    with pytest.raises(ParleyError, match=complaint):
        read(tmp_path / "plan.tsv")


def test_a_published_plan_cannot_be_fetched(tmp_path):
    publish_plan(planned(tmp_path), tmp_path / "published.tsv")
    with pytest.raises(ParleyError, match="has no column url"):
        next(candidate_queues(tmp_path / "published.tsv", {"hen"}))


def test_a_class_is_read_when_it_is_asked_for(tmp_path):
    rows = [("ant", "a", "train", 0), ("bee", "b", "train", 1)]
    write_table(tmp_path / "plan.tsv", COLUMNS, [(name, key * 32, *of, "http://a") for name, key, *of in rows])
    queues = candidate_queues(tmp_path / "plan.tsv", {"ant", "bee"})
    assert next(queues) == ("ant", {"train": [("a" * 32, "http://a")]})
    with pytest.raises(ParleyError, match="class 'bee', split train: the ranks have a gap"):
        next(queues)


def test_the_digest_of_a_classes_rows_depends_on_no_other_class(tmp_path):
    def digests(name, rows):
        write_table(tmp_path / name, COLUMNS, [(one, key * 32, *of, "http://a") for one, key, *of in rows])
        return plan_digests(tmp_path / name, ["ant", "bee", "cat"])

    ant, bee = ("ant", "a", "train", 0), ("bee", "b", "train", 0)
    whole = digests("whole", [ant, bee])
    assert digests("other", [ant, ("bee", "c", "train", 0)])["ant"] == whole["ant"]
    assert digests("other", [ant, ("bee", "c", "train", 0)])["bee"] != whole["bee"]
    assert digests("other", [("ant", "a", "dev", 0), bee])["ant"] != whole["ant"]
    assert whole["cat"] == digests("other", [ant])["cat"] != whole["ant"]

import pytest
from planned import reserves_in

from parley.core.errors import ParleyError
from parley.core.files import read_table, write_table
from parley.dataset.class_set import ImageClass
from parley.dataset.listing import image_key
from parley.dataset.split_plan import COLUMNS, candidate_queues, plan_class, publish_plan, stream_plan, write_plan

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


def test_the_plan_of_all_classes_goes_to_a_table_and_back(tmp_path):
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
        expected = plan_class(keys, COUNTS[one.domain], 11)
        assert read[one.name] == {part: [keys[place] for place in places] for part, places in expected.items()}


def test_what_is_not_taken_of_a_plan_is_passed_over(tmp_path):
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
def test_reserves_are_read_as_they_are_asked_for_in_turns(tmp_path, number):
    plan = planned(tmp_path, number)
    reserves = candidate_queues(plan, {"hen", "lion"})
    assert list(reserves) == ["lion", "hen"]
    expected = {name: keys for name, keys in reserves_in(plan).items() if name != "yeti"}
    assert {name: list(parts) for name, parts in reserves.items()} == {
        name: list(keys) for name, keys in expected.items()
    }
    found = {name: {part: [] for part in parts} for name, parts in expected.items()}
    urls = {image_key(url): url for name in expected for url in urls_of(name, number)}
    for rank in range(number):
        for name, parts in reserves.items():
            for part, reserve in parts.items():
                if rank < len(reserve):
                    key, url = reserve[rank]
                    assert url == urls[key]
                    found[name][part].append(key)
    assert found == expected


def test_a_reserve_goes_one_way_and_ends(tmp_path):
    reserve = candidate_queues(planned(tmp_path), {"yeti"})["yeti"]["ood"]
    with pytest.raises(ValueError, match="1 is asked for where 0 is next"):
        reserve[1]
    assert len(list(reserve)) == len(reserve) == 20
    with pytest.raises(IndexError):
        reserve[20]


def test_a_plan_that_changes_under_a_reserve_is_told(tmp_path):
    plan = planned(tmp_path)
    reserve = candidate_queues(plan, {"hen"})["hen"]["dev"]
    plan.write_text("\t".join(COLUMNS) + "\n")
    with pytest.raises(ParleyError, match="changed while it was read"):
        reserve[0]


def reserves_located(plan):
    return candidate_queues(plan, {"ant", "bee"})


@pytest.mark.parametrize("read", [reserves_in, reserves_located])
@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([("ant", "a", "train", 1)], "the ranks of class 'ant', part train, have a gap"),
        ([("ant", "a", "train", 0), ("ant", "b", "train", 2)], "the ranks of class 'ant', part train, have a gap"),
        (
            [("ant", "a", "train", 0), ("ant", "b", "dev", 0), ("ant", "c", "train", 0)],
            "the rows of class 'ant', part train, do not stand together",
        ),
        (
            [("ant", "a", "dev", 0), ("bee", "b", "dev", 0), ("ant", "c", "dev", 1)],
            "the rows of class 'ant' do not stand together",
        ),
    ],
)
def test_a_plan_out_of_order_is_refused(tmp_path, read, rows, complaint):
    write_table(tmp_path / "plan.tsv", COLUMNS, [(*row, "http://a") for row in rows])
    with pytest.raises(ParleyError, match=complaint):
        read(tmp_path / "plan.tsv")


def test_a_plan_without_urls_is_no_plan_to_fetch_by(tmp_path):
    publish_plan(planned(tmp_path), tmp_path / "published.tsv")
    with pytest.raises(ParleyError, match="has no column url"):
        candidate_queues(tmp_path / "published.tsv", {"hen"})

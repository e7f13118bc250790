import logging

import pytest
from fetched_plan import CLASSES, URLS, Fetched, assert_counts_add_up, keys_of
from hypothesis import given
from hypothesis import strategies as st

from parley.core.tables import read_table
from parley.dataset.dedup.assign import assign
from parley.dataset.dedup.near_duplicates import NearDuplicateFinder
from parley.dataset.dedup.outcomes import ClassOutcome, Image, PartOutcome, host_of
from parley.dataset.fetch.outcomes import MANIFEST_COLUMNS


def test_a_placeholder_is_found_over_all_classes(tmp_path, caplog):
    reserves = Fetched(tmp_path).reserves
    # Two URLs of each of three classes: within a class too few to tell.
    black = [*reserves["lion"]["train"][:2], *reserves["fox"]["dev"][:2], *reserves["hen"]["ood"][:2]]
    fetched = Fetched(tmp_path, sha256_of=dict.fromkeys(black, "black"), placeholder_repeats=5, margin=1.0)
    with caplog.at_level(logging.WARNING):
        report = fetched.finalise()
    lowest = min(black)
    assert report["placeholders"] == [{"sha256": "black", "urls": 6, "example": URLS[lowest]}]
    assert "black" in caplog.text
    assert report["rejected"] == {"placeholder": 6}
    assert report["duplicates"] == 0
    assert "black" not in {row["sha256"] for row in fetched.splits()}
    assert report["classes"]["fox"]["dev"]["rejected"] == {"placeholder": 2}
    assert_counts_add_up(report)


def test_bytes_at_the_limit_are_duplicates_and_no_placeholder(tmp_path):
    reserves = Fetched(tmp_path).reserves
    twins = [*reserves["lion"]["train"][:2], *reserves["fox"]["dev"][:1], *reserves["hen"]["ood"][:2]]
    fetched = Fetched(tmp_path, sha256_of=dict.fromkeys(twins, "same"), placeholder_repeats=5, margin=1.0)
    report = fetched.finalise()
    assert (report["duplicates"], report["rejected"], report["placeholders"]) == (4, {}, [])
    assert [row["key"] for row in fetched.splits() if row["sha256"] == "same"] in ([min(twins)], [])


def test_placeholders_found_in_one_class_count_in_others(tmp_path):
    reserves = Fetched(tmp_path).reserves
    black = [*reserves["lion"]["train"][:3], reserves["hen"]["ood"][0]]
    fetched = Fetched(tmp_path, sha256_of=dict.fromkeys(black, "black"), placeholder_repeats=2)
    assert fetched.finalise()["rejected"] == {"placeholder": 4}
    assert reserves["hen"]["ood"][0] not in fetched.part("hen", "ood")


def test_every_url_is_counted_under_its_host(tmp_path):
    keys = keys_of("lion")
    fetched = Fetched(tmp_path, failures={key: "not_found" for key in keys if "host1" in URLS[key]})
    report = fetched.finalise()
    assert set(report["hosts"]) == {"host0.example", "host1.example", "host2.example", "local"}
    tried = [row for one in CLASSES for row in read_table(tmp_path / f"{one.name}.tsv", MANIFEST_COLUMNS)]
    of_one = [row for row in tried if "host1" in row["url"]]
    assert report["hosts"]["host1.example"] == {
        "tried": len(of_one),
        "ok": sum(row["status"] == "ok" for row in of_one),
        "rejected": {"not_found": sum(row["status"] == "failed" for row in of_one)},
    }
    assert report["hosts"]["local"]["tried"] == sum("://" not in row["url"] for row in tried)
    assert_counts_add_up(report)


def class_of(name, **parts):
    """A class whose parts are given as (count, [(key, bytes), ...])."""
    outcomes = {
        part: PartOutcome(
            len(images), count, len(images), [Image(name, part, key, f"http://{key}", sha) for key, sha in images]
        )
        for part, (count, images) in parts.items()
    }
    return ClassOutcome(name, "in", outcomes)


def test_a_spare_image_does_not_block_its_duplicates():
    lion = class_of("lion", train=(2, [("5", "a"), ("6", "b"), ("1", "x")]))
    hen = class_of("hen", test=(2, [("9", "x"), ("3", "c")]))
    assign([lion, hen], None)
    assert [image.sha256 for image in lion.parts["train"].kept] == ["a", "b"]
    assert [image.sha256 for image in hen.parts["test"].kept] == ["x", "c"]
    assert hen.parts["test"].removals == []


def test_a_spare_image_does_not_block_its_near_duplicates():
    finder = NearDuplicateFinder({"5": 0b1 << 20, "6": 0b1 << 40, "1": 0b1, "9": 0b11}, bits=1)
    lion = class_of("lion", train=(2, [("5", "a"), ("6", "b"), ("1", "x")]))
    hen = class_of("hen", test=(1, [("9", "y")]))
    assign([lion, hen], finder)
    assert [image.sha256 for image in hen.parts["test"].kept] == ["y"]
    needed = class_of("lion", train=(3, [("5", "a"), ("6", "b"), ("1", "x")]))
    assign([needed, hen], finder)
    assert hen.parts["test"].kept == []


some_parts = st.lists(
    st.tuples(st.integers(0, 4), st.lists(st.integers(0, 8), max_size=6, unique=True)), min_size=2, max_size=5
)


@given(some_parts, st.randoms(use_true_random=False), st.booleans())
def test_every_image_is_kept_exactly_once(parts, random, by_looks):
    keys = [f"{number:03d}" for number in range(100)]
    random.shuffle(keys)
    hashes = {}
    classes = []
    for number, (count, images) in enumerate(parts):
        named = [(keys.pop(), f"sha {sha}") for sha in images]
        hashes |= {key: 0b11 << 3 * int(sha.split()[1]) // 2 for key, sha in named}
        classes.append(class_of(f"class {number}", **{f"part {number % 3}": (count, named)}))
    finder = NearDuplicateFinder(hashes, bits=1) if by_looks else None
    assign(classes, finder)
    outcomes = [part for one in classes for part in one.parts.values()]
    kept = [image for part in outcomes for image in part.kept]
    assert len({image.sha256 for image in kept}) == len(kept)
    for part in outcomes:
        assert len(part.kept) <= part.count
        assert part.kept == [image for image in part.images if image in part.kept]
        assert not {removal.image.key for removal in part.removals} & {image.key for image in part.kept}
        if part.is_short:
            for removal in part.removals:
                same = removal.image.sha256 in {image.sha256 for image in kept}
                alike = finder is not None and any(
                    one.part != removal.image.part and (hashes[one.key] ^ hashes[removal.image.key]).bit_count() <= 1
                    for one in kept
                )
                assert same or alike, "what nobody keeps is not refused to a part that needs it"
    if finder is not None:
        for one in kept:
            assert not any(
                one.part != other.part and (hashes[one.key] ^ hashes[other.key]).bit_count() <= 1 for other in kept
            )


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("http://A.Example:8080/x", "a.example"),
        ("HTTPS://user:word@b.example", "b.example"),
        ("lion/7.jpg", "local"),
        ("http://[::1", "malformed"),
        ("http:///x.jpg", "malformed"),
    ],
)
def test_the_host_of_an_address(address, host):
    assert host_of(address) == host

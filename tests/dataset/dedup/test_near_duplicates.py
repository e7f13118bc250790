import logging
import tracemalloc

import numpy as np
from fetched_plan import Fetched, assert_counts_add_up
from hypothesis import given
from hypothesis import strategies as st

from parley.core.tables import write_table
from parley.dataset.dedup.near_duplicates import find_near_duplicates, find_pairs
from parley.dataset.dedup.perceptual_hash import HASH_COLUMNS, read_hashes


def test_near_duplicates_are_reported_or_removed(tmp_path, caplog):
    reserves = Fetched(tmp_path).reserves
    train, dev, ood = reserves["lion"]["train"], reserves["lion"]["dev"], reserves["hen"]["ood"]
    every = [key for parts in reserves.values() for keys in parts.values() for key in keys]
    # All different, but for one in the train split, one in the dev split and one in the ood split.
    hashes = {key: (number * 0x9E3779B97F4A7C15) % 2**64 for number, key in enumerate(sorted(every))}
    hashes |= {train[0]: 0b1, dev[0]: 0b111, ood[0]: 0b1110001}
    fetched = Fetched(tmp_path, hashes=hashes)
    with caplog.at_level(logging.WARNING):
        report = fetched.finalise(near_copies="report", near_copy_bits=2)
    (pair,) = report["near_copies"]["pairs"]
    assert {pair["key"], pair["other_key"]} == {train[0], dev[0]}
    assert {pair["part"], pair["other_part"]} == {"train", "dev"}
    assert (pair["distance"], report["near_copies"]["number"], report["near_copies"]["removed"]) == (2, 1, 0)
    assert "Pairs of near duplicates in different splits (at most 2 of 64 bits apart): 1" in caplog.text
    report = fetched.finalise(near_copies="remove", near_copy_bits=2)
    low, high = sorted([train[0], dev[0]])
    kept = {row["key"] for row in fetched.splits()}
    assert low in kept
    assert high not in kept
    assert len(kept) == 20
    assert report["near_copies"]["removed"] == 1
    assert report["near_copies"]["pairs"][0]["key"] == high
    assert_counts_add_up(report)
    assert fetched.finalise(near_copies="report", near_copy_bits=1)["near_copies"]["number"] == 0


def test_images_without_a_hash_are_counted_and_kept(tmp_path):
    fetched = Fetched(tmp_path, hashes={})
    report = fetched.finalise(near_copies="report")
    assert report["near_copies"]["not_hashed"] == report["ok"]
    assert report["kept"] == 20


# Hashes of few bits far apart, so that many are near one another and all distances come up.
near_hashes = st.lists(st.sampled_from([0, 1, 3, 7, 0xF0, 0xFF, 1 << 63, (1 << 64) - 1]), max_size=40)


def by_all_pairs(hashes, parts, bits):
    """The distance of every pair in different splits, computed one by one."""
    indices = range(len(hashes))
    return {
        (one, other): (hashes[one] ^ hashes[other]).bit_count()
        for one in indices
        for other in indices
        if parts[one] < parts[other] and (hashes[one] ^ hashes[other]).bit_count() <= bits
    }


def parts_for(data, hashes):
    size = len(hashes)
    return data.draw(st.lists(st.sampled_from(["train", "dev", "test"]), min_size=size, max_size=size))


@given(near_hashes, st.integers(0, 16), st.data())
def test_pairs_agree_with_a_comparison_of_all_pairs(hashes, bits, data):
    parts = parts_for(data, hashes)
    expected = by_all_pairs(hashes, parts, bits)
    number, listed = find_pairs(np.array(hashes, np.uint64), parts, bits, 10_000)
    assert number == len(expected) == len(listed)
    assert {(first, second): distance for first, second, distance in listed} == expected


@given(near_hashes, st.integers(0, 16), st.integers(0, 9), st.data())
def test_all_pairs_are_counted_and_the_first_are_listed(hashes, bits, most, data):
    parts = parts_for(data, hashes)
    number, listed = find_pairs(np.array(hashes, np.uint64), parts, bits, 10_000)
    assert find_pairs(np.array(hashes, np.uint64), parts, bits, most) == (number, listed[:most])
    order = [(parts[first], parts[second], first, second) for first, second, _ in listed]
    assert order == sorted(order)


@given(near_hashes, st.integers(0, 16), st.data())
def test_near_duplicates_are_removed_one_after_another(hashes, bits, data):
    parts = parts_for(data, hashes)
    let_in, expected = [], {}
    for index, (phash, part) in enumerate(zip(hashes, parts, strict=True)):
        like = [one for one in let_in if parts[one] != part and (hashes[one] ^ phash).bit_count() <= bits]
        if like:
            expected[index] = like[0]
        else:
            let_in.append(index)
    assert find_near_duplicates(np.array(hashes, np.uint64), parts, bits) == expected


def test_more_images_than_one_block():
    draw = np.random.default_rng(0)
    hashes = draw.integers(0, 1 << 63, 700, np.uint64)
    hashes[650] = hashes[3] ^ np.uint64(0b101)
    parts = ["train" if index % 2 else "test" for index in range(700)]
    assert find_pairs(hashes, parts, 4, 9) == (1, [(650, 3, 2)])
    assert find_near_duplicates(hashes, parts, 4) == {650: 3}


def test_equal_hashes_need_the_memory_of_one_block():
    number = 6000
    parts = ["train" if index % 2 else "test" for index in range(number)]
    tracemalloc.start()
    found, listed = find_pairs(np.zeros(number, np.uint64), parts, 4, 100)
    copies = find_near_duplicates(np.zeros(number, np.uint64), parts, 4)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found, len(listed), len(copies)) == (number**2 // 4, 100, number // 2)
    # All pairs, as two indices of eight bytes each, would be 144 MB.
    assert peak < 20e6


def test_hashes_are_read_as_numbers(tmp_path):
    write_table(tmp_path / "a.tsv", HASH_COLUMNS, [("k1", "8000000000000001"), ("k2", "00000000000000ff")])
    assert dict(read_hashes(tmp_path / "a.tsv")) == {"k1": (1 << 63) + 1, "k2": 255}

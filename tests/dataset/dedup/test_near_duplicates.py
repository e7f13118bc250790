import logging

from fetched_plan import Fetched, assert_counts_add_up


def test_near_copies_are_reported_or_removed(tmp_path, caplog):
    reserves = Fetched(tmp_path).reserves
    train, dev, ood = reserves["lion"]["train"], reserves["lion"]["dev"], reserves["hen"]["ood"]
    every = [key for parts in reserves.values() for keys in parts.values() for key in keys]
    # All different, but for one in the train part, one in the dev part and one in the ood part.
    hashes = {key: (number * 0x9E3779B97F4A7C15) % 2**64 for number, key in enumerate(sorted(every))}
    hashes |= {train[0]: 0b1, dev[0]: 0b111, ood[0]: 0b1110001}
    fetched = Fetched(tmp_path, hashes=hashes)
    with caplog.at_level(logging.WARNING):
        report = fetched.finalise(near_copies="report", near_copy_bits=2)
    (pair,) = report["near_copies"]["pairs"]
    assert {pair["key"], pair["other_key"]} == {train[0], dev[0]}
    assert {pair["part"], pair["other_part"]} == {"train", "dev"}
    assert (pair["distance"], report["near_copies"]["number"], report["near_copies"]["removed"]) == (2, 1, 0)
    assert "that look the same (at most 2 of 64 bits apart): 1" in caplog.text
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

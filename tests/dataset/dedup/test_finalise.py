import contextlib
import json
from collections import Counter, defaultdict

import pytest
from fetched_plan import CLASSES, Fetched, assert_counts_add_up, keys_of
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.core.errors import ParleyError
from parley.core.tables import read_table, write_table
from parley.dataset.class_set import read_class_set
from parley.dataset.fetch.outcomes import MANIFEST_COLUMNS


def test_splits_are_the_first_candidates_in_label_order(tmp_path):
    fetched = Fetched(tmp_path)
    report = fetched.finalise()
    expected = [
        (name, part, key)
        for name, part, count in [
            *(("lion", "train", 6), ("lion", "dev", 2), ("fox", "train", 6), ("fox", "dev", 2), ("hen", "ood", 4))
        ]
        for key in fetched.reserves[name][part][:count]
    ]
    assert [(row["class"], row["part"], row["key"]) for row in fetched.splits()] == expected
    assert (report["kept"], report["wanted"], report["duplicates"], report["dropped"]) == (20, 20, 0, [])


def test_a_failed_url_is_replaced_by_the_next_of_its_part(tmp_path):
    whole = Fetched(tmp_path)
    dead = whole.reserves["lion"]["train"][2]
    fetched = Fetched(tmp_path, failures={dead: "not_found"})
    report = fetched.finalise()
    reserve = fetched.reserves["lion"]["train"]
    assert fetched.part("lion", "train") == [key for key in reserve[:7] if key != dead]
    assert fetched.part("lion", "dev") == fetched.reserves["lion"]["dev"][:2]
    assert report["classes"]["lion"]["train"]["rejected"] == {"not_found": 1}
    assert report["rejected"] == {"not_found": 1}


def test_of_two_images_with_equal_bytes_the_lowest_key_is_kept(tmp_path):
    reserves = Fetched(tmp_path).reserves
    lion, hen = reserves["lion"]["dev"][0], reserves["hen"]["ood"][1]
    fetched = Fetched(tmp_path, sha256_of={lion: "same", hen: "same"})
    report = fetched.finalise()
    low, high = sorted([lion, hen])
    kept = [row["key"] for row in fetched.splits() if row["sha256"] == "same"]
    assert kept == [low]
    (drop,) = report["dropped"]
    assert (drop["key"], drop["kept_key"]) == (high, low)
    assert report["duplicates"] == 1
    name, part, count = ("lion", "dev", 2) if high == lion else ("hen", "ood", 4)
    assert fetched.part(name, part) == [key for key in reserves[name][part][: count + 1] if key != high]


def test_the_same_bytes_within_one_part_count_once(tmp_path):
    reserve = Fetched(tmp_path).reserves["fox"]["train"]
    fetched = Fetched(tmp_path, sha256_of={reserve[0]: "same", reserve[3]: "same", reserve[7]: "same"})
    fetched.finalise()
    assert [row["sha256"] for row in fetched.splits()].count("same") <= 1
    assert len(fetched.part("fox", "train")) == 6


shas = st.lists(st.integers(0, 60), min_size=90, max_size=90)


fates = st.lists(st.sampled_from(["", "", "", "not_found", "html"]), min_size=90, max_size=90)


drawn_hashes = st.lists(st.sampled_from([None, 0, 1, 3, 0xFF, 1 << 63, 0xFFFF0000]), min_size=90, max_size=90)


@settings(max_examples=60)
@given(
    shas,
    fates,
    drawn_hashes,
    st.sampled_from([0.0, 0.5, 2.0]),
    st.sampled_from([2, 5, 100]),
    st.sampled_from(["report", "remove"]),
    st.sampled_from(["accept", "drop_class"]),
)
def test_rules_hold_and_counts_add_up_for_random_inputs(
    tmp_path_factory, bytes_of, fates, drawn, margin, repeats, near_copies, on_shortage
):
    keys = [key for one in CLASSES for key in keys_of(one.name)]
    failures = {key: fate for key, fate in zip(keys, fates, strict=True) if fate}
    same = {key: f"bytes {number}" for key, number in zip(keys, bytes_of, strict=True)}
    hashes = {key: phash for key, phash in zip(keys, drawn, strict=True) if phash is not None}
    options = {"margin": margin, "placeholder_repeats": repeats, "near_copies": near_copies, "near_copy_bits": 2}
    fetched = Fetched(tmp_path_factory.mktemp("splits"), same, failures, hashes=hashes, **options)
    # Where a part has no image at all, settling fails, and the report says why all the same.
    with contextlib.suppress(ParleyError):
        fetched.finalise(on_shortage=on_shortage)
    report = json.loads((fetched.folder / "funnel.json").read_text())
    assert_counts_add_up(report)
    assert report["duplicates"] == len(report["dropped"])
    answers = defaultdict(set)
    for one in CLASSES:
        for row in read_table(fetched.folder / f"{one.name}.tsv", MANIFEST_COLUMNS):
            if row["sha256"]:
                answers[row["sha256"]].add(row["key"])
    assert {one["sha256"]: one["urls"] for one in report["placeholders"]} == {
        sha256: len(keys) for sha256, keys in answers.items() if len(keys) > repeats
    }
    if not (fetched.folder / "splits.tsv").exists():
        return
    splits = fetched.splits()
    assert max(Counter(row["sha256"] for row in splits).values()) == 1
    for row in splits:
        assert row["key"] in {key for reserve in fetched.reserves[row["class"]].values() for key in reserve}
        assert row["key"] not in failures
        assert len(answers[row["sha256"]]) <= repeats
    assert report["kept"] == len(splits)
    left = {one.name for one in read_class_set(fetched.folder / "classes.tsv")}
    assert {row["class"] for row in splits} == left
    assert left == {one.name for one in CLASSES} - report["dropped_classes"].keys()
    if on_shortage == "drop_class":
        assert all(counts["kept"] == counts["wanted"] for name in left for counts in report["classes"][name].values())
    alike = pairs_alike(splits, hashes, 2)
    assert report["near_copies"]["number"] == len(alike) or near_copies == "remove"
    if near_copies == "remove":
        assert not alike
        assert report["near_copies"]["number"] == report["near_copies"]["removed"]
    else:
        told = read_table(fetched.folder / "near_copies.tsv", ["key", "other_key"])
        assert {frozenset((row["key"], row["other_key"])) for row in told} == alike


def pairs_alike(splits, hashes, bits):
    known = [row for row in splits if row["key"] in hashes]
    return {
        frozenset((one["key"], other["key"]))
        for one in known
        for other in known
        if one["part"] < other["part"] and (hashes[one["key"]] ^ hashes[other["key"]]).bit_count() <= bits
    }


def test_every_short_split_is_reported_with_its_reasons(tmp_path):
    reserves = Fetched(tmp_path).reserves
    dead = dict.fromkeys([*reserves["lion"]["dev"][1:], *reserves["lion"]["train"][6:]], "not_found")
    dead |= dict.fromkeys(reserves["hen"]["ood"][:28], "html")
    dead[reserves["hen"]["ood"][28]] = "read_timeout"
    fetched = Fetched(tmp_path, failures=dead)
    with pytest.raises(ParleyError) as error:
        fetched.finalise()
    lion, hen, advice, again = error.value.findings
    number = len(reserves["lion"]["dev"])
    assert lion == (
        f"Class 'lion', split dev: 1 images of the 2 needed, after trying {number} of {number} candidates "
        f"({number - 1} not_found)."
    )
    assert "Class 'hen', split ood: 1 images of the 4 needed, after trying 30 of 30" in hen
    assert "(28 html, 1 read_timeout)" in hen
    assert "on_shortage" in advice
    assert again.endswith(f"run `rm -r {tmp_path / 'hen.tsv'}`, then the same command as before.")
    assert not (tmp_path / "splits.tsv").exists()
    assert (tmp_path / "funnel.json").exists()
    fetched.finalise(on_shortage="accept")
    assert (len(fetched.part("lion", "dev")), len(fetched.part("hen", "ood"))) == (1, 1)


def test_rarer_reasons_are_counted_together(tmp_path):
    reserve = Fetched(tmp_path).reserves["hen"]["ood"]
    errors = ["html"] * 12 + ["gone"] * 6 + ["forbidden"] * 5 + ["empty"] * 3 + ["reset"] * 2
    fetched = Fetched(tmp_path, failures=dict(zip(reserve, errors, strict=False)))
    with pytest.raises(ParleyError, match=r"30 candidates \(12 html, 6 gone, 5 forbidden, 5 for other reasons\)\."):
        fetched.finalise()


def test_a_part_without_any_image_is_never_accepted(tmp_path):
    reserves = Fetched(tmp_path).reserves
    dead = [*reserves["lion"]["dev"], *reserves["lion"]["train"][6:]]
    fetched = Fetched(tmp_path, failures=dict.fromkeys(dead, "gone"))
    with pytest.raises(ParleyError, match="0 images of the 2 needed"):
        fetched.finalise(on_shortage="accept")


def test_a_margin_too_small_for_duplicates_in_other_classes_is_the_reported_reason(tmp_path):
    reserves = Fetched(tmp_path).reserves
    twins = [reserves["fox"]["train"][0], reserves["lion"]["train"][0]]
    fetched = Fetched(tmp_path, sha256_of=dict.fromkeys(twins, "same"), margin=0.0)
    with pytest.raises(ParleyError, match="margin of 0 did not make up for the duplicates removed"):
        fetched.finalise()


def test_duplicates_within_a_class_do_not_use_up_the_margin(tmp_path):
    reserve = Fetched(tmp_path).reserves["fox"]["train"]
    fetched = Fetched(tmp_path, sha256_of=dict.fromkeys(reserve[:3], "same"), margin=0.0)
    report = fetched.finalise()
    assert len(fetched.part("fox", "train")) == 6
    assert report["classes"]["fox"]["train"]["duplicates"] == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: rows[:-1],
        lambda rows: [*rows, rows[-1]],
        lambda rows: [rows[1], rows[0], *rows[2:]],
        lambda rows: [{**rows[0], "key": "0" * 32}, *rows[1:]],
        lambda rows: [],
    ],
)
def test_a_manifest_of_another_run_is_reported(tmp_path, spoil):
    fetched = Fetched(tmp_path)
    rows = spoil(read_table(tmp_path / "lion.tsv", MANIFEST_COLUMNS))
    write_table(tmp_path / "lion.tsv", MANIFEST_COLUMNS, [tuple(row.values()) for row in rows])
    with pytest.raises(ParleyError, match=r"'lion'.*Run `rm -r .*lion\.tsv`"):
        fetched.finalise()


def test_a_manifest_for_another_margin_is_reported(tmp_path):
    fetched = Fetched(tmp_path)
    with pytest.raises(
        ParleyError, match="9 URLs tried for split train, which is not the number that had to be tried to fetch 7"
    ):
        fetched.finalise(margin=0.1)


def test_unknown_rules_are_reported(tmp_path):
    with pytest.raises(ParleyError, match="fail, accept, drop_class"):
        Fetched(tmp_path).finalise(on_shortage="shrug")
    with pytest.raises(ParleyError, match="ignore, report, remove"):
        Fetched(tmp_path).finalise(near_copies="shrug")

import contextlib
import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.classes import ImageClass
from parley.errors import ParleyError
from parley.fetch.outcomes import MANIFEST_COLUMNS
from parley.files import read_table, write_table
from parley.keys import image_key
from parley.settle import settle
from parley.splits import plan_by_class, walk_target, write_plan

LION = ImageClass("lion", "n02129165", "in")
HEN = ImageClass("hen", "n01514859", "out")
FOX = ImageClass("fox", "n02118333", "in")
CLASSES = [HEN, LION, FOX]  # label order is lion, fox, hen
COUNTS = {"in": {"train": 6, "dev": 2}, "out": {"ood": 4}}


class Fetched:
    """A plan, and manifests as the fetch stage would have left them for given bytes and failures."""

    def __init__(self, folder, sha256_of=None, failures=None, margin=0.5, candidates=30):
        self.folder, self.margin = folder, margin
        sha256_of, failures = sha256_of or {}, failures or {}
        keys = {one.name: [image_key(f"{one.name}{n}") for n in range(candidates)] for one in CLASSES}
        rows = [(name, key, "") for name, listed in keys.items() for key in listed]
        write_table(folder / "candidates.tsv", ["class", "key", "url"], rows)
        write_plan(folder / "candidates.tsv", CLASSES, COUNTS, 3, folder / "plan.tsv")
        self.reserves = dict(plan_by_class(folder / "plan.tsv"))
        for name, reserves in self.reserves.items():
            self.write_manifest(name, reserves, sha256_of, failures)

    def write_manifest(self, name, reserves, sha256_of, failures):
        rows = []
        for part, reserve in reserves.items():
            wanted = walk_target(COUNTS["out" if name == "hen" else "in"][part], self.margin)
            for key in reserve:
                if not wanted:
                    break
                error = failures.get(key, "")
                wanted -= not error
                cells = dict.fromkeys(MANIFEST_COLUMNS, "")
                sha256 = sha256_of.get(key, f"sha of {key}")
                cells |= {"key": key, "status": "failed" if error else "ok", "error_class": error, "sha256": sha256}
                rows.append(tuple(cells.values()))
        write_table(self.folder / f"{name}.tsv", MANIFEST_COLUMNS, rows)

    def settle(self, **options):
        manifests = {one.name: self.folder / f"{one.name}.tsv" for one in CLASSES}
        arguments = {"margin": self.margin, **options}
        report = settle(
            self.folder / "plan.tsv",
            manifests,
            CLASSES,
            COUNTS,
            destination=self.folder / "splits.tsv",
            report=self.folder / "funnel.json",
            **arguments,
        )
        assert json.loads((self.folder / "funnel.json").read_text()) == report
        return report

    def splits(self):
        return read_table(self.folder / "splits.tsv", ["class", "key", "part", "sha256"])

    def part(self, name, part):
        return [row["key"] for row in self.splits() if (row["class"], row["part"]) == (name, part)]


def test_parts_are_the_plans_first_in_label_order(tmp_path):
    fetched = Fetched(tmp_path)
    report = fetched.settle()
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
    report = fetched.settle()
    reserve = fetched.reserves["lion"]["train"]
    assert fetched.part("lion", "train") == [key for key in reserve[:7] if key != dead]
    assert fetched.part("lion", "dev") == fetched.reserves["lion"]["dev"][:2]
    assert report["classes"]["lion"]["train"]["rejected"] == {"not_found": 1}
    assert report["rejected"] == {"not_found": 1}


def test_the_lowest_key_keeps_bytes_that_two_places_have(tmp_path):
    reserves = Fetched(tmp_path).reserves
    lion, hen = reserves["lion"]["dev"][0], reserves["hen"]["ood"][1]
    fetched = Fetched(tmp_path, sha256_of={lion: "same", hen: "same"})
    report = fetched.settle()
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
    fetched.settle()
    assert [row["sha256"] for row in fetched.splits()].count("same") <= 1
    assert len(fetched.part("fox", "train")) == 6


shas = st.lists(st.integers(0, 60), min_size=90, max_size=90)
fates = st.lists(st.sampled_from(["", "", "", "not_found", "html"]), min_size=90, max_size=90)


@settings(max_examples=40)
@given(shas, fates, st.sampled_from([0.0, 0.5, 2.0]))
def test_no_bytes_sit_twice_no_part_overflows_and_counts_add_up(tmp_path_factory, bytes_of, fates, margin):
    keys = [image_key(f"{one.name}{n}") for one in CLASSES for n in range(30)]
    failures = {key: fate for key, fate in zip(keys, fates, strict=True) if fate}
    same = {key: f"bytes {number}" for key, number in zip(keys, bytes_of, strict=True)}
    fetched = Fetched(tmp_path_factory.mktemp("settle"), same, failures, margin)
    # Where a part has no image at all, settling fails, and the report says why all the same.
    with contextlib.suppress(ParleyError):
        fetched.settle(on_shortage="accept")
    report = json.loads((fetched.folder / "funnel.json").read_text())
    if (fetched.folder / "splits.tsv").exists():
        splits = fetched.splits()
        assert max(Counter(row["sha256"] for row in splits).values()) == 1
        for row in splits:
            assert row["key"] in fetched.reserves[row["class"]][row["part"]]
            assert row["key"] not in failures
        assert report["kept"] == len(splits)
    for funnels in report["classes"].values():
        for funnel in funnels.values():
            assert funnel["tried"] == funnel["ok"] + sum(funnel["rejected"].values())
            assert funnel["ok"] == funnel["kept"] + funnel["spare"] + funnel["duplicates"]
            assert funnel["kept"] <= funnel["wanted"]
    assert report["tried"] == report["ok"] + sum(report["rejected"].values())
    assert report["duplicates"] == len(report["dropped"])


def test_every_part_that_is_short_is_told_with_its_reasons(tmp_path):
    reserves = Fetched(tmp_path).reserves
    dead = dict.fromkeys(reserves["lion"]["dev"][1:], "not_found")
    dead |= dict.fromkeys(reserves["hen"]["ood"][:28], "html")
    dead[reserves["hen"]["ood"][28]] = "read_timeout"
    fetched = Fetched(tmp_path, failures=dead)
    with pytest.raises(ParleyError) as error:
        fetched.settle()
    lion, hen, advice = error.value.findings
    number = len(reserves["lion"]["dev"])
    assert lion == (
        f"Class 'lion', part dev: 1 images of the 2 needed, after trying {number} of {number} candidates "
        f"({number - 1} not_found)."
    )
    assert "Class 'hen', part ood: 1 images of the 4 needed, after trying 30 of 30" in hen
    assert "(28 html, 1 read_timeout)" in hen
    assert "on_shortage" in advice
    assert not (tmp_path / "splits.tsv").exists()
    assert (tmp_path / "funnel.json").exists()
    fetched.settle(on_shortage="accept")
    assert (len(fetched.part("lion", "dev")), len(fetched.part("hen", "ood"))) == (1, 1)


def test_a_part_without_any_image_is_never_accepted(tmp_path):
    reserves = Fetched(tmp_path).reserves
    fetched = Fetched(tmp_path, failures=dict.fromkeys(reserves["lion"]["dev"], "gone"))
    with pytest.raises(ParleyError, match="0 images of the 2 needed"):
        fetched.settle(on_shortage="accept")


def test_a_margin_too_small_for_the_duplicates_is_named_as_the_reason(tmp_path):
    reserve = Fetched(tmp_path).reserves["fox"]["train"]
    fetched = Fetched(tmp_path, sha256_of={reserve[0]: "same", reserve[1]: "same"}, margin=0.0)
    with pytest.raises(ParleyError, match="margin of 0 did not make up for the duplicates"):
        fetched.settle()


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
def test_a_manifest_of_another_run_is_told(tmp_path, spoil):
    fetched = Fetched(tmp_path)
    rows = spoil(read_table(tmp_path / "lion.tsv", MANIFEST_COLUMNS))
    write_table(tmp_path / "lion.tsv", MANIFEST_COLUMNS, [tuple(row.values()) for row in rows])
    with pytest.raises(ParleyError, match=r"'lion'.*remove the manifest"):
        fetched.settle()


def test_a_manifest_walked_for_another_margin_is_told(tmp_path):
    fetched = Fetched(tmp_path)
    with pytest.raises(ParleyError, match="7 were to be fetched"):
        fetched.settle(margin=0.1)


def test_an_unknown_rule_for_shortages_is_told(tmp_path):
    with pytest.raises(ParleyError, match="fail, accept"):
        Fetched(tmp_path).settle(on_shortage="shrug")

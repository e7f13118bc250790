"""A plan and manifests as the fetch stage leaves them, for tests of settling them."""

import json
from collections import Counter

from planned import reserves_in

from parley.core.tables import read_table, write_table
from parley.dataset.class_set import ImageClass
from parley.dataset.dedup.finalise import finalise_splits, write_final_classes
from parley.dataset.dedup.outcomes import DedupOptions
from parley.dataset.dedup.perceptual_hash import HASH_COLUMNS
from parley.dataset.fetch.candidate_queue import ClassFetch, SplitFetch
from parley.dataset.fetch.outcomes import MANIFEST_COLUMNS, Decision, ErrorClass, FetchResult
from parley.dataset.listing import image_key
from parley.dataset.split_plan import fetch_target, write_plan

LION = ImageClass("lion", "n02129165", "in", "cats", "a big cat")
HEN = ImageClass("hen", "n01514859", "out")
WOLF = ImageClass("wolf", "n02114367", "in")
EMU = ImageClass("emu", "n01519563", "out")
FOX = ImageClass("fox", "n02118333", "in")
CLASSES = [HEN, LION, FOX]  # label order is lion, fox, hen
MORE = [EMU, *CLASSES, WOLF]  # label order is lion, fox, wolf, emu, hen
COUNTS = {"in": {"train": 6, "dev": 2}, "out": {"ood": 4}}


def url_of(name, number):
    """Where the candidates of a class lie: three hosts, and one in ten below the source's root."""
    return f"{name}/{number}.jpg" if number % 10 == 9 else f"http://host{number % 3}.example/{name}/{number}.jpg"


def keys_of(name, candidates=30):
    return [image_key(url_of(name, number)) for number in range(candidates)]


URLS = {image_key(url_of(one.name, number)): url_of(one.name, number) for one in MORE for number in range(90)}


class Fetched:
    """A plan, and manifests as the fetch stage leaves them for given bytes and failures."""

    def __init__(self, folder, sha256_of=None, failures=None, candidates=30, hashes=None, classes=CLASSES, **options):
        self.folder, self.classes = folder, classes
        self.options = DedupOptions(**{"margin": 0.5, "placeholder_repeats": 100, **options})
        self.sha256_of, self.failures = sha256_of or {}, failures or {}
        numbers = (
            candidates if isinstance(candidates, dict) else dict.fromkeys((one.name for one in classes), candidates)
        )
        rows = [(one.name, key, URLS[key]) for one in classes for key in keys_of(one.name, numbers[one.name])]
        write_table(folder / "candidates.tsv", ["class", "key", "url"], rows)
        write_plan(folder / "candidates.tsv", classes, COUNTS, 3, folder / "plan.tsv")
        self.reserves = reserves_in(folder / "plan.tsv")
        self.walked = set()
        """Keys that the splits tried by themselves."""
        for one in classes:
            self.write_manifest(one)
        self.hashes = []
        if hashes is not None:
            write_table(folder / "phash.tsv", HASH_COLUMNS, [(key, f"{bits:016x}") for key, bits in hashes.items()])
            self.hashes = [folder / "phash.tsv"]

    def write_manifest(self, one):
        counts = COUNTS[one.domain]
        parts = [
            SplitFetch(
                part,
                [(key, URLS[key]) for key in reserve],
                counts[part],
                fetch_target(counts[part], self.options.margin),
            )
            for part, reserve in self.reserves.get(one.name, {}).items()
        ]
        class_fetch = ClassFetch(one.name, parts, self.options.placeholder_repeats)
        while (part := class_fetch.wanting()) is not None:
            rank = part.take()
            class_fetch.record(part, rank, self.result(*part.queue[rank]))
        self.walked |= {key for part in parts for key, _ in part.queue[: part.taken]}
        write_table(
            self.folder / f"{one.name}.tsv",
            MANIFEST_COLUMNS,
            [result.manifest_row() for result in class_fetch.results()],
        )

    def rows(self, name):
        return read_table(self.folder / f"{name}.tsv", MANIFEST_COLUMNS)

    def result(self, key, url):
        error = ErrorClass(self.failures[key]) if key in self.failures else None
        sha256 = "" if error else self.sha256_of.get(key, f"sha of {key}")
        return FetchResult(url, key, 200, 1, sha256, Decision(error), 1, 0.0)

    def finalise(self, **options):
        arguments = {name: getattr(self.options, name) for name in DedupOptions.__dataclass_fields__}
        report = finalise_splits(
            self.folder / "plan.tsv",
            {one.name: self.folder / f"{one.name}.tsv" for one in self.classes},
            self.hashes,
            self.classes,
            COUNTS,
            DedupOptions(**{**arguments, **options}),
            splits=self.folder / "splits.tsv",
            funnel=self.folder / "funnel.json",
            near_copies=self.folder / "near_copies.tsv" if self.hashes else None,
        )
        assert json.loads((self.folder / "funnel.json").read_text()) == report
        write_final_classes(self.folder / "funnel.json", self.classes, {}, self.folder / "classes.tsv")
        return report

    def splits(self):
        return read_table(self.folder / "splits.tsv", ["class", "key", "part", "sha256"])

    def part(self, name, part):
        return [row["key"] for row in self.splits() if (row["class"], row["part"]) == (name, part)]


def parts_of(report):
    """Every split's counts."""
    return [counts for of_class in report["classes"].values() for counts in of_class.values() if counts is not True]


def assert_counts_add_up(report):
    for counts in [*parts_of(report), {**report, "near_copies": report["near_copies"]["removed"]}]:
        assert counts["tried"] == counts["ok"] + sum(counts["rejected"].values())
        assert counts["ok"] == counts["kept"] + counts["spare"] + counts["duplicates"] + counts["near_copies"]
        assert counts["kept"] <= counts["wanted"]
        assert min(counts[name] for name in ("kept", "spare", "duplicates", "near_copies")) >= 0
    for host in report["hosts"].values():
        assert host["tried"] == host["ok"] + sum(host["rejected"].values())
    of_hosts = Counter()
    for host in report["hosts"].values():
        of_hosts.update(host["rejected"])
    assert dict(of_hosts) == report["rejected"]
    assert sum(host["tried"] for host in report["hosts"].values()) == report["tried"]
    assert sum(host["ok"] for host in report["hosts"].values()) == report["ok"]

"""Fetch jobs for tests: a folder with a plan, and the results of fetching it."""

import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from planned import reserves_in

from parley.core.tables import read_table, write_table
from parley.dataset.candidates import select
from parley.dataset.class_set import ImageClass
from parley.dataset.fetch.options import FetchOptions
from parley.dataset.fetch.outcomes import MANIFEST_COLUMNS
from parley.dataset.fetch.stage import OK, fetch_classes
from parley.dataset.sources import SourceOptions
from parley.dataset.split_plan import write_plan

PATIENT = FetchOptions(
    # Long timeouts, so that tests that are not about time do not fail on a busy machine.
    allow_private_hosts=True,
    threads=4,
    read_timeout_s=5.0,
    deadline_s=10.0,
    backoff_s=0.01,
    min_side=20,
)
COUNTS = {"in": {"train": 12, "test": 6}}
LION = ImageClass("lion", "n02129165", "in")
HEN = ImageClass("hen", "n01514859", "in")


def get(client, url):
    """Fetch one URL and wait for its answer."""
    client.submit(url, url)
    while not (answers := client.poll()):
        pass
    return answers[0][1]


class Job:
    """A folder with a plan, and how to fetch it."""

    def __init__(self, folder: Path, urls: dict[ImageClass, list[str]], seed: int = 1) -> None:
        self.folder, self.classes = folder, list(urls)
        folder.mkdir(parents=True, exist_ok=True)
        write_table(
            folder / "classes.tsv", ["class", "wnid", "domain"], [(one.name, one.wnid, "in") for one in self.classes]
        )
        write_table(folder / "urls.tsv", ["class", "url"], [(one.name, url) for one in urls for url in urls[one]])
        options = SourceOptions("manifest", manifest=folder / "urls.tsv", root=folder)
        select(options, self.classes, COUNTS, folder / "candidates.tsv", on_shortage="accept")
        write_plan(folder / "candidates.tsv", self.classes, COUNTS, seed, folder / "plan.tsv")

    def fetch(self, margin=0.5, options=PATIENT, out="images", cache="cache", root=None):
        outcomes = fetch_classes(
            self.folder / "plan.tsv",
            self.classes,
            COUNTS,
            self.folder / out,
            self.folder / cache,
            root,
            replace(options, margin=margin),
        )
        errors = Counter({error: number for error, number in outcomes.items() if error != OK})
        return SimpleNamespace(tried=outcomes.total(), ok=outcomes[OK], errors=errors)

    def manifest(self, name="lion", out="images"):
        return read_table(self.folder / out / f"{name}.tsv", MANIFEST_COLUMNS)

    def members(self, name="lion", out="images"):
        with tarfile.open(self.folder / out / f"{name}.tar") as tar:
            return {member.name: tar.extractfile(member).read() for member in tar}

    def reserves(self, name="lion"):
        return reserves_in(self.folder / "plan.tsv")[name]


def files_below(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def images(web, number, behaviour="image", start=0):
    return [web.url(f"{behaviour}/{index}.jpg") for index in range(start, start + number)]


def cached_keys(folder, cache="cache"):
    return {path.name for path in (folder / cache).glob("*/" + "?" * 32) if not path.name.startswith(".")}


def timeless(rows):
    return [{**row, "seconds": ""} for row in rows]

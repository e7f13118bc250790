"""The filter of a URL list of true size against `gzip -dc LIST | wc -l`, for 30 and for 1,000 classes.

uv run python benchmarks/url_list.py [excerpt of ImageNet's list] [--lines 14200000] [--rounds 3] [--distinct]
    [--wanted 30 1000 21800]

The list is the excerpt over and over, each time under new ids: 21,800 synsets, about as many as ImageNet's
list of fall 2011 has. With --distinct the addresses are new each time too, so that none is a repetition and
the filter keeps as many as it reads. Without an excerpt, given or named by PARLEY_URLS, one is drawn in the
form of that list. The contenders take turns; each filter is a process of its own, whose time is that
of the work, without starting Python, and whose memory is the most that the process had.
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

CLASSES = (30, 1000)
SYNSETS = 21_800
MOST_MB, MOST_RATIO = 300, 1.5


def wnid_of(synset: int) -> str:
    return f"n{1_000_000 + synset:08d}"


def drawn_excerpt(rows: int = 20_000) -> list[tuple[int, str, str]]:
    """Rows as the list has them: 200 synsets, two thirds of the addresses at a photo service."""
    rng = random.Random(1)
    excerpt = []
    for number in range(rows):
        secret = f"{rng.getrandbits(40):010x}"
        if rng.random() < 0.65:
            url = (
                f"http://farm{rng.randint(1, 5)}.static.flickr.com/{rng.randint(1, 4000)}/{10**9 + number}_{secret}.jpg"
            )
        else:
            url = f"http://www.{secret[:6]}-{number}.example.org/{'images/' * rng.randint(0, 3)}{secret}_{number}.jpg"
        excerpt.append((number // 100, str(rng.randint(1, 20_000)), url))
    return excerpt


def read_excerpt(path: str | None) -> list[tuple[int, str, str]]:
    """Rows as number of the synset, number of the image, and address."""
    if path is None:
        return drawn_excerpt()
    synsets: dict[str, int] = {}
    rows = []
    for line in Path(path).read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        image_id, _, url = line.partition("\t")
        wnid, _, number = image_id.partition("_")
        rows.append((synsets.setdefault(wnid, len(synsets)), number, url))
    return rows


def repetitions(excerpt: list[tuple[int, str, str]], lines: int, is_distinct: bool) -> Iterator[bytes]:
    """The excerpt under new ids: each time other synsets, and when these are used up, other numbers."""
    synsets = 1 + max(synset for synset, _, _ in excerpt)
    groups = SYNSETS // synsets
    for turn in range(-(-lines // len(excerpt))):
        again, group = divmod(turn, groups)
        mark = f"?{turn}" if is_distinct else ""
        rows = excerpt[: lines - turn * len(excerpt)]
        yield "".join(
            f"{wnid_of(group * synsets + synset)}_{number}{again}\t{url}{mark}\n" for synset, number, url in rows
        ).encode("utf-8", "surrogateescape")


def write_list(path: Path, excerpt: list[tuple[int, str, str]], lines: int, is_distinct: bool) -> None:
    pack = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)  # as gzip packs by itself
    with path.open("wb") as stream:
        for text in repetitions(excerpt, lines, is_distinct):
            stream.write(pack.compress(text))
        stream.write(pack.flush())


def filter_alone(path: str, number: int) -> None:
    from parley.dataset.class_set import ImageClass
    from parley.dataset.sources import SourceOptions, open_source

    wnids = [wnid_of(one * (SYNSETS // number)) for one in range(number)]
    source = open_source(SourceOptions("url_list"))
    started = time.perf_counter()
    listing = source.listing([ImageClass(wnid, wnid, "in") for wnid in wnids], Path(path))
    seconds = time.perf_counter() - started
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    kept = sum(len(urls) for urls in listing.urls.values())
    issues = {str(kind): lines for kind, lines in sorted(listing.issues.items())}
    entries = listing.entries.total()
    print(
        json.dumps(
            {"s": seconds, "mb": most, "lines": listing.lines, "entries": entries, "kept": kept, "issues": issues}
        )
    )


def filter_seconds(path: Path, classes: int) -> dict:
    command = [sys.executable, __file__, "--list", str(path), "--classes", str(classes)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def count_seconds(path: Path, lines: int) -> float:
    started = time.perf_counter()
    with subprocess.Popen(["gzip", "-dc", str(path)], stdout=subprocess.PIPE) as unpacked:
        counted = subprocess.run(["wc", "-l"], stdin=unpacked.stdout, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    assert int(counted.stdout) == lines, counted.stdout
    return seconds


def compare(path: Path, lines: int, rounds: int, wanted: list[int]) -> None:
    plain: list[float] = []
    filtered: dict[int, list[dict]] = {classes: [] for classes in wanted}
    for _ in range(rounds):
        plain.append(count_seconds(path, lines))
        for classes, turns in filtered.items():
            turns.append(filter_seconds(path, classes))
            assert turns[-1]["lines"] == lines, turns[-1]
    print(f"{lines} lines, {path.stat().st_size / 1e6:.0f} MB gz; medians of {rounds} rounds (least to most)")
    print(f"gzip -dc | wc -l  {statistics.median(plain):6.2f} s ({min(plain):.2f} to {max(plain):.2f})")
    for classes, turns in filtered.items():
        seconds = [turn["s"] for turn in turns]
        ratios = [one / other for one, other in zip(seconds, plain, strict=True)]
        most = max(turn["mb"] for turn in turns)
        print(
            f"{classes:5} classes     {statistics.median(seconds):6.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), "
            f"{statistics.median(ratios):.2f} of it ({min(ratios):.2f} to {max(ratios):.2f}; {MOST_RATIO} wanted), "
            f"{most:.0f} MB ({MOST_MB} wanted); "
            f"{turns[0]['entries']} entries, {turns[0]['kept']} kept, {turns[0]['issues']}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("excerpt", nargs="?", default=os.environ.get("PARLEY_URLS"))
    parser.add_argument("--lines", type=int, default=14_200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--distinct", action="store_true")
    parser.add_argument("--wanted", type=int, nargs="+", default=list(CLASSES))
    parser.add_argument("--list", help=argparse.SUPPRESS)
    parser.add_argument("--classes", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.list:
        filter_alone(given.list, given.classes)
    else:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder, "urls.gz")
            write_list(made, read_excerpt(given.excerpt), given.lines, given.distinct)
            compare(made, given.lines, given.rounds, given.wanted)

"""Time and memory of the source `archive` on a zip or tar of 14 GB: list 100,000 images, and read every hundredth.

    uv run python benchmarks/archives.py [zip tar] [--gb 1 14] [--images 100000]

The archives are sparse: nearly all of their size is zeros, which take no disk, before the images. Times are processor
times. Each measurement is a process of its own; its memory is the increase of the peak after imports.
"""

import argparse
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

IMAGE = b"x" * 99


def write_zip(path: Path, size: int, images: int) -> None:
    path.touch()
    os.truncate(path, size)
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(images):
            archive.writestr(f"lion/{number:06}.jpg", IMAGE)


def write_tar(path: Path, size: int, images: int) -> None:
    header = tarfile.TarInfo("other.bin")
    header.size = size
    with path.open("wb") as stream:
        stream.write(header.tobuf())
        stream.seek(-size % -512 + size, os.SEEK_CUR)
        header.size = len(IMAGE)
        for number in range(images):
            header.name = f"lion/{number:06}.jpg"
            stream.write(header.tobuf() + IMAGE.ljust(512, b"\0"))
        stream.write(bytes(1024))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(path: Path) -> None:
    """List and read an archive in this process, and print what it took."""
    from parley.dataset.class_set import ImageClass
    from parley.dataset.fetch.images import LocalFiles
    from parley.dataset.sources import SourceOptions, open_source

    lion, listing = [ImageClass("lion", "", "in")], path.with_suffix(".tsv")
    source = open_source(SourceOptions("archive", locations=(str(path),), members=("{class}/*",)))
    before, began = peak_mb(), time.process_time()
    source.write_listing(lion, listing)
    urls = source.listing(lion, listing).urls["lion"]
    listed = time.process_time()
    files = LocalFiles(source.provide(lion), 1000)
    read = sum(files.get(url).body == IMAGE for url in urls[::100])
    seconds = time.process_time() - listed
    print(
        f"{path.name}, {path.stat().st_size / 1e9:.0f} GB: {len(urls)} images listed in {listed - began:.1f} s, "
        f"{read} read in {seconds:.1f} s, {peak_mb() - before:.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=["zip", "tar"])
    parser.add_argument("--gb", type=int, nargs="+", default=[1, 14])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure)
    for kind in () if given.measure else given.kinds:
        for gb in given.gb:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, f"set.{kind}")
                (write_zip if kind == "zip" else write_tar)(path, gb * 10**9, given.images)
                subprocess.run([sys.executable, __file__, "--measure", str(path)], check=True)

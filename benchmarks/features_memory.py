"""Peak memory of the features stage, by the number of images: ResNet-34's three layers at 227 px.

uv run python benchmarks/features_memory.py [--images 1000 20000] [--autocast none]

Each number is a process of its own; the memory is the most that it had (ru_maxrss), torch included. The files
take 42 kB an image and 135 kB a row, in the folder that TMPDIR names.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from features import write_tar

from parley.features.extract import extract_classes
from parley.features.options import feature_options


def measure(images: int, autocast: str) -> None:
    """Run the stage in this process, and print what it took."""
    options = feature_options("resnet34", "random", 0, "original", autocast=autocast)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tar(folder / "class.tar", images)
        started = time.perf_counter()
        extract_classes(
            [folder / "class.tar"], [folder / "class.hdf5"], options, folder, device="cpu", threads=2, engine="fused"
        )
        seconds = time.perf_counter() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{images:6} images: {peak_mb:.0f} MB, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 20_000])
    parser.add_argument("--autocast", default="none")
    given = parser.parse_args()
    if len(given.images) == 1:
        measure(given.images[0], given.autocast)
    else:
        for images in given.images:
            command = [sys.executable, __file__, "--images", str(images), "--autocast", given.autocast]
            subprocess.run(command, check=True)

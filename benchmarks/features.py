"""Images a second through ResNet-34 at 227 px: the stage, the 2017 code's way of doing it, and the bare network.

uv run python benchmarks/features.py [--images 768] [--rounds 3] [--threads 2] [--only fused compiled ...] [--bfloat16]

All take turns in one process: the stage with its tar, decoding and HDF5 file, for each engine; a loop that
decodes one image after the other and gives the network four at a time, as the code of 2017 did; and the
network alone, on random numbers, in every way of running it; with --bfloat16, stage and network computed in that as
well. Random weights; the time does not depend on them.
A stage loads its network anew each time, and compiles it; that is part of its time, and shown apart as well.
"""

import argparse
import io
import statistics
import tarfile
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from image_host import numbered, photograph
from PIL import Image
from torch import Tensor
from torchvision import transforms

from parley.features.backbone import load_backbone, ready_network
from parley.features.extract import extract_classes
from parley.features.options import FeatureOptions, feature_options

OPTIONS = feature_options("resnet34", "random", 0, "original")
SHORT_OPTIONS = feature_options("resnet34", "random", 0, "original", autocast="bfloat16")
SIDE, BATCH, ORIGINALS_BATCH = 227, 32, 4
SHORT = "bfloat16"
LOOP = "as in 2017: serial, 4 at a time"
STEPS = transforms.Compose(
    [
        transforms.Resize(SIDE),
        transforms.CenterCrop(SIDE),
        transforms.ToTensor(),
        transforms.Normalize([0.5] * 3, [0.5] * 3),
    ]
)


def write_tar(path: Path, images: int) -> None:
    jpeg = photograph()
    with tarfile.open(path, "w") as tar:
        for number in range(images):
            content = numbered(jpeg, number)
            header = tarfile.TarInfo(f"{number:032x}.jpg")
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))


def as_in_2017(tar_path: Path, run: Callable[[Tensor], object]) -> None:
    batch = []
    with tarfile.open(tar_path) as tar, torch.inference_mode():
        for member in tar:
            batch.append(STEPS(Image.open(tar.extractfile(member)).convert("RGB")))
            if len(batch) == ORIGINALS_BATCH:
                run(torch.stack(batch))
                batch = []


def bare(run: Callable[[Tensor], object], images: int, batch: int, channels_last: bool) -> None:
    seen = torch.randn(batch, 3, SIDE, SIDE)
    seen = seen.to(memory_format=torch.channels_last) if channels_last else seen
    with torch.inference_mode():
        for _ in range(images // batch):
            run(seen)


def frozen(network: torch.fx.GraphModule) -> Callable[[Tensor], object]:
    """TorchScript's trace, frozen: what was fastest before compiling."""

    class Values(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, seen: Tensor) -> tuple[Tensor, ...]:
            return tuple(self.network(seen).values())

    example = torch.randn(BATCH, 3, SIDE, SIDE).to(memory_format=torch.channels_last)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        return torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(Values().eval(), example)))


Way = Callable[[Path, int], object]
"""Sees a tar's images, or so many random ones."""


def contenders(folder: Path, images: int, threads: int) -> dict[str, Way]:
    graph = load_backbone(OPTIONS, folder, "cpu")._extractor
    cpu = torch.device("cpu")
    plain = load_backbone(OPTIONS, folder, "cpu")._extractor
    ways = {engine: ready_network(graph, engine, images, cpu) for engine in ("eager", "fused", "compiled")}
    ways["frozen trace"] = frozen(
        load_backbone(OPTIONS, folder, "cpu")._extractor.to(memory_format=torch.channels_last)
    )

    def short(seen: Tensor) -> object:
        with torch.autocast("cpu", torch.bfloat16):
            return ways["fused"](seen)

    def stage(tar_path: Path, engine: str, options: FeatureOptions = OPTIONS) -> object:
        out = [folder / f"{engine}.hdf5"]
        out[0].unlink(missing_ok=True)
        return extract_classes(
            [tar_path], out, options, folder, device="cpu", threads=threads, batch_size=BATCH, engine=engine
        )

    return {
        LOOP: lambda tar, _: as_in_2017(tar, plain),
        "bare, 4 at a time": lambda _, number: bare(plain, number, ORIGINALS_BATCH, channels_last=False),
        **{
            f"bare, {way}": lambda _, number, run=run: bare(run, number, BATCH, channels_last=True)
            for way, run in ways.items()
        },
        **{
            f"stage, {engine}": lambda tar, _, engine=engine: stage(tar, engine)
            for engine in ("eager", "fused", "compiled")
        },
        f"bare, fused, {SHORT}": lambda _, number: bare(short, number, BATCH, channels_last=True),
        f"stage, fused, {SHORT}": lambda tar, _: stage(tar, "fused", SHORT_OPTIONS),
    }


def product_ms() -> float:
    """The time of a 1024 × 1024 float32 product, to know the machine by."""
    one, other = torch.randn(2, 1024, 1024)
    times = []
    for _ in range(10):
        started = time.perf_counter()
        one @ other
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def kind_of(name: str) -> str:
    """Compared are networks that compute in the same type."""
    return SHORT if name.endswith(SHORT) else ""


def seconds(way: Way, tar_path: Path, images: int) -> float:
    started = time.perf_counter()
    way(tar_path, images)
    return time.perf_counter() - started


def compare(images: int, rounds: int, threads: int, only: list[str], with_bfloat16: bool) -> None:
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tar(folder / "few.tar", BATCH)
        write_tar(folder / "class.tar", images)
        ways = contenders(folder, images, threads)
        ways = {name: way for name, way in ways.items() if with_bfloat16 or SHORT not in name}
        ways = {name: way for name, way in ways.items() if name == LOOP or not only or any(one in name for one in only)}
        rates: dict[str, list[float]] = {name: [] for name in ways}
        few_s: dict[str, float] = {}
        for way in ways.values():  # Not counted: kernels are chosen, and code is compiled that later rounds find.
            way(folder / "few.tar", BATCH)
        for name, way in ways.items():
            few_s[name] = seconds(way, folder / "few.tar", BATCH)
        for _ in range(rounds):
            for name, way in ways.items():
                rates[name].append(images / seconds(way, folder / "class.tar", images))
    medians = {name: statistics.median(each) for name, each in rates.items()}
    best = {
        kind: max(rate for name, rate in medians.items() if name.startswith("bare") and kind_of(name) == kind)
        for kind in {kind_of(name) for name in medians}
    }
    loop = next(rate for name, rate in medians.items() if name == LOOP)
    print(f"a 1024 x 1024 product: {product_ms():.1f} ms on {threads} threads")
    for name, each in rates.items():
        print(
            f"{name:34} {medians[name]:5.1f} images/s ({min(each):.1f} to {max(each):.1f}), "
            f"{medians[name] / loop:.2f} of 2017's, {medians[name] / best[kind_of(name)]:.2f} of the "
            f"best bare network's; {BATCH} images take {few_s[name]:.1f} s"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=768)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--bfloat16", action="store_true")
    given = parser.parse_args()
    compare(given.images, given.rounds, given.threads, given.only, given.bfloat16)

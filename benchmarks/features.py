"""Images a second through ResNet-34 at 227 px: the stage, the 2017 code's way of doing it, and the bare network.

uv run python benchmarks/features.py [--images 256] [--rounds 3] [--threads 2]

All take turns in one process: the stage with its tar, decoding and HDF5 file, for each engine; a loop that
decodes one image after the other and gives the network four at a time, as the code of 2017 did; and the
network alone, on random numbers, in every way of running it. Random weights; the time does not depend on them.
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

from parley.features.backbone import load_backbone
from parley.features.engine import ready_network
from parley.features.extract import extract_classes
from parley.features.options import feature_options

OPTIONS = feature_options("resnet34", "random", 0, "original")
SIDE, BATCH, ORIGINALS_BATCH = 227, 32, 4
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


def contenders(tar_path: Path, images: int, threads: int) -> dict[str, Callable[[], object]]:
    folder = tar_path.parent
    graph = load_backbone(OPTIONS, folder, "cpu")._extractor
    cpu = torch.device("cpu")
    plain = load_backbone(OPTIONS, folder, "cpu")._extractor
    ways = {engine: ready_network(graph, engine, images, cpu) for engine in ("eager", "fused", "compiled")}
    ways["frozen trace"] = frozen(
        load_backbone(OPTIONS, folder, "cpu")._extractor.to(memory_format=torch.channels_last)
    )

    def stage(engine: str) -> object:
        out = [folder / f"{engine}.hdf5"]
        return extract_classes(
            [tar_path], out, OPTIONS, folder, device="cpu", threads=threads, batch_size=BATCH, engine=engine
        )

    return {
        "as in 2017: serial, 4 at a time": lambda: as_in_2017(tar_path, plain),
        "bare, 4 at a time": lambda: bare(plain, images, ORIGINALS_BATCH, channels_last=False),
        **{f"bare, {way}": lambda run=run: bare(run, images, BATCH, channels_last=True) for way, run in ways.items()},
        **{f"stage, {engine}": lambda engine=engine: stage(engine) for engine in ("eager", "fused", "compiled")},
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


def compare(images: int, rounds: int, threads: int) -> None:
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        tar_path = Path(folder, "class.tar")
        write_tar(tar_path, images)
        ways = contenders(tar_path, images, threads)
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(rounds + 1):  # The first is not counted: kernels are chosen, and code is compiled.
            for name, way in ways.items():
                started = time.perf_counter()
                way()
                if turn:
                    rates[name].append(images / (time.perf_counter() - started))
    medians = {name: statistics.median(each) for name, each in rates.items()}
    best = max(rate for name, rate in medians.items() if name.startswith("bare"))
    loop = next(rate for name, rate in medians.items() if name.startswith("as in 2017"))
    print(f"a 1024 x 1024 product: {product_ms():.1f} ms on {threads} threads")
    for name, each in rates.items():
        print(
            f"{name:34} {medians[name]:5.1f} images/s ({min(each):.1f} to {max(each):.1f}), "
            f"{medians[name] / loop:.2f} of 2017's, {medians[name] / best:.2f} of the best bare network's"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    compare(given.images, given.rounds, given.threads)

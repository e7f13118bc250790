"""Images a second through ResNet-34 at 227 px on a GPU: the bare network, decoding alone, and the stage with both.

uv run python benchmarks/features_gpu.py [--images 6000] [--threads 16] [--rounds 3] [--engines eager fused compiled]

The bare network sees random pixels that lie on the GPU, in the batch that the stage finds. Random weights; the time
does not depend on them.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from features import write_tar

from parley.features.backbone import Backbone, load_backbone
from parley.features.class_files import KnownRows
from parley.features.extract import extract_classes
from parley.features.options import FeatureOptions, feature_options
from parley.features.preprocessing import decoded_ahead


def bare(backbone: Backbone, images: int) -> None:
    size, side = backbone.batch_size, backbone.transform.crop_px
    pixels = torch.randint(0, 256, (size, 3, side, side), dtype=torch.uint8, device="cuda")
    pixels = pixels.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        for _ in range(max(images // size, 1)):
            backbone._compute(pixels)
    torch.cuda.synchronize()


def seconds(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def decode(tar: Path, backbone: Backbone, threads: int) -> None:
    nothing_known = KnownRows([], set(), {})
    for _ in decoded_ahead([tar], nothing_known, backbone.transform, threads, 2 * backbone.batch_size):
        pass


def stage(tar: Path, folder: Path, options: FeatureOptions, engine: str, threads: int) -> None:
    out = folder / "class.hdf5"
    out.unlink(missing_ok=True)
    extract_classes([tar], [out], options, folder, device="cuda", threads=threads, engine=engine)


def told(name: str, rates: list[float]) -> None:
    print(f"{name:32} {statistics.median(rates):8.0f} images/s ({min(rates):.0f} to {max(rates):.0f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", nargs="+", default=["eager", "fused", "compiled"])
    chosen = parser.parse_args()
    images, threads, rounds = chosen.images, chosen.threads, range(chosen.rounds)
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tar = folder / "class.tar"
        write_tar(tar, images)
        for autocast in ("none", "bfloat16"):
            options = feature_options("resnet34", "random", 0, "original", autocast=autocast)
            for engine in chosen.engines:
                backbone = load_backbone(options, folder, "cuda")
                ready = seconds(lambda b=backbone, e=engine: b.prepare(e, images))
                bare(backbone, images)
                told(
                    f"bare, {engine}, {autocast}, {backbone.batch_size} at once",
                    [images / seconds(lambda b=backbone: bare(b, 4 * images)) * 4 for _ in rounds],
                )
                print(f"    made ready in {ready:.1f} s")
                if autocast == "none" and engine == "eager":
                    told("decoding", [images / seconds(lambda b=backbone: decode(tar, b, threads)) for _ in rounds])
                times = [seconds(lambda o=options, e=engine: stage(tar, folder, o, e, threads)) for _ in rounds]
                told(f"stage, {engine}, {autocast}", [images / one for one in times])


if __name__ == "__main__":
    main()

"""How large a browser's page is, how long it takes to build, and how soon Chromium shows its first view.

Made-up messages of 3,000 images of 60 classes, 10 exchanges, 32 bits, 3 seeds; pictures are enlarged noise, which takes
a JPEG about as much as a photograph. Needs chromium and the test extra:

    uv run --extra test python benchmarks/browser.py [--images 3000] [--seeds 3] [--max-mb 25] [--opened 5]
"""

import argparse
import io
import json
import resource
import shutil
import statistics
import tarfile
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from parley.report.browser.build import build_browser

CLASSES, EXCHANGES, BITS = 60, 10, 32
FIRST_VIEW = "() => document.querySelectorAll('#main .cards a').length > 0"


def write_messages(path: Path, keys: list[str], seed: int) -> None:
    """Conversations of an agent that is right about half the time, in the layout of messages.hdf5."""
    draw = np.random.default_rng(seed)
    count = len(keys)
    start = [("ExampleId", "S50"), ("AgentId", "S1"), ("Index", "<i4"), ("Target", "<i4"), ("Rank", "<i4")]
    said = np.zeros((count, EXCHANGES, 2), [*start, ("BinaryProb", "<f4", (BITS,)), ("BinaryVec", "i1", (BITS,))])
    scored = [("Predictions", "<f4", (CLASSES,)), ("StopProb", "<f4"), ("StopVec", "i1"), ("StopMask", "i1")]
    answered = np.zeros((count, EXCHANGES), [*start, *scored])
    targets = np.arange(count) % CLASSES
    for table in (said, answered):
        shape = (count, *[1] * (table.ndim - 1))
        table["ExampleId"] = np.array([key.encode() for key in keys]).reshape(shape)
        table["Target"] = targets.reshape(shape)
    said["AgentId"], answered["AgentId"] = np.array([b"S", b"R"]), b"R"
    said["Index"] = 2 * np.arange(EXCHANGES)[:, None] + np.arange(2)
    answered["Index"] = 2 * np.arange(EXCHANGES) + 1
    said["BinaryProb"] = 1 / (1 + np.exp(-draw.normal(0, 3, said["BinaryProb"].shape)))
    said["BinaryVec"] = draw.random(said["BinaryProb"].shape) < said["BinaryProb"]
    scores = draw.normal(0, 2, answered["Predictions"].shape)
    scores[np.arange(count), :, targets] += 4
    answered["Predictions"] = scores
    answered["StopProb"] = draw.random((count, EXCHANGES))
    lengths = draw.integers(1, EXCHANGES + 1, count)
    answered["StopVec"] = np.arange(EXCHANGES) < lengths[:, None] - 1
    answered["StopMask"] = np.arange(EXCHANGES) < lengths[:, None]
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("Communication", data=said.reshape(-1), compression="gzip", compression_opts=1)
        file.create_dataset("Predictions", data=answered.reshape(-1), compression="gzip", compression_opts=1)
        about = {"run": "adaptive", "seed": seed, "part": "test", "message_bits": BITS, "max_exchanges": EXCHANGES}
        about["labels"] = json.dumps([f"class {label}" for label in range(CLASSES)])
        for name, value in {**about, "candidate_ids": np.arange(CLASSES)}.items():
            file.attrs[name] = value


def write_pictures(path: Path, keys: list[str]) -> None:
    draw = np.random.default_rng(0)
    with tarfile.open(path, "w") as tar:
        for key in keys:
            coarse = Image.fromarray(draw.integers(0, 256, (14, 18, 3), dtype=np.uint8))
            content = io.BytesIO()
            coarse.resize((240, 180), Image.Resampling.BICUBIC).save(content, "JPEG")
            member = tarfile.TarInfo(f"{key}.jpg")
            member.size = content.tell()
            content.seek(0)
            tar.addfile(member, content)


def seconds_to_first_view(page_file: Path, times: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds until the first list stands, of processor time of the page until then, and from a click to a talk."""
    firsts, busy, talks = [], [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _ in range(times):
            page = browser.new_context().new_page()
            meter = page.context.new_cdp_session(page)
            meter.send("Performance.enable", {"timeDomain": "threadTicks"})
            started = time.perf_counter()
            page.goto(page_file.as_uri(), wait_until="commit")
            page.wait_for_function(FIRST_VIEW)
            firsts.append(time.perf_counter() - started)
            figures = {one["name"]: one["value"] for one in meter.send("Performance.getMetrics")["metrics"]}
            busy.append(figures["ProcessTime"])
            started = time.perf_counter()
            page.locator("#main .cards a").nth(9).click()
            page.wait_for_selector(".exchange")
            talks.append(time.perf_counter() - started)
            page.context.close()
        browser.close()
    return firsts, busy, talks


def told(seconds: list[float]) -> str:
    return f"median {statistics.median(seconds):.2f} s of {len(seconds)} ({min(seconds):.2f} to {max(seconds):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--max-mb", type=float, default=25)
    parser.add_argument("--opened", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        keys = [f"{number * 2654435761 % 2**32:032x}" for number in range(chosen.images)]
        files = [folder / "runs/adaptive" / str(seed) / "messages.hdf5" for seed in range(1, chosen.seeds + 1)]
        for seed, path in enumerate(files, start=1):
            write_messages(path, keys, seed)
        write_pictures(folder / "all.tar", keys)
        started, before = time.perf_counter(), time.process_time()
        page = folder / "browser.html"
        tars = [folder / "all.tar"]
        build_browser(experiment="made up", messages=files, image_tars=tars, out=page, max_mb=chosen.max_mb)
        wall, cpu = time.perf_counter() - started, time.process_time() - before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        shown = json.loads(page.read_text().partition('id="index">')[2].partition("</script>")[0])["per_class"]
        print(f"{chosen.images} images, {chosen.seeds} seeds: {page.stat().st_size / 1e6:.1f} MB", end=", ")
        print("all images" if shown is None else f"the first {shown} images of each class")
        print(f"built in {wall:.1f} s ({cpu:.1f} s of processor time), at most {peak:.0f} MB")
        first, busy, talk = seconds_to_first_view(page, chosen.opened)
        print(f"first view: {told(first)}; processor time of the page until then: {told(busy)}")
        print(f"a conversation, by a click: {told(talk)}")


if __name__ == "__main__":
    main()

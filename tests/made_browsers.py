"""A browser's page of a made-up experiment, and what its files of messages say, read with nothing but h5py."""

import base64
import io
import json
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from made_runs import Experiment, Talk, make_experiment, write_messages
from PIL import Image

from parley.core.failures import write_marker
from parley.report.browser.build import build_browser

HOSTILE = (
    "<script>alert(1)</script>",
    "\"quoted\" & 'so' </script>",
    "שלום עולם",
    "😀 {{ 7 * 7 }}",
    "line\u2028break\u2029s",
    "plain",
)
"""Class names of the made-up experiment."""
UNSEEN = ("emu <b>", "gnu")
WHY = "The loss is no longer finite at step 3 <i>."
GRID, WIDTH = (2, 3), 3
WORDS = [["red", "<b>", "horn"], ["blue", "כנף"], ["tail"], ["a", "b"], ["c"], ["d", "e", "f"]]


@dataclass
class Made:
    """The page, and where what it is made from lies."""

    page: Path
    experiment: Experiment

    def file(self, run: str, seed: int, part: str = "test", kind: str = "messages") -> Path:
        name = f"{kind}.hdf5" if part == "test" else f"{kind}.{part}.hdf5"
        return self.experiment.folder / "runs" / run / str(seed) / name


class Recorded:
    """One file of messages: arrays [N, T, ...] by image, as they stand in its tables."""

    def __init__(self, path: Path) -> None:
        with h5py.File(path) as file:
            said, answered = file["Communication"][:], file["Predictions"][:]
            self.labels = json.loads(file.attrs["labels"])
            self.ids = [int(number) for number in file.attrs["candidate_ids"]]
        self.said = {}
        self.answered = {}
        for row in said:
            self.said[row["ExampleId"].decode(), row["AgentId"].decode(), int(row["Index"]) // 2] = row
        for row in answered:
            self.answered[row["ExampleId"].decode(), int(row["Index"]) // 2] = row
        self.keys = list(dict.fromkeys(row["ExampleId"].decode() for row in said))
        self.exchanges = 1 + max(t for _, t in self.answered)

    def length(self, key: str) -> int:
        return sum(int(self.answered[key, t]["StopMask"]) for t in range(self.exchanges))

    def target(self, key: str) -> int:
        """Column of the true class."""
        return self.ids.index(int(self.answered[key, 0]["Target"]))

    def probabilities(self, key: str, t: int) -> np.ndarray:
        scores = self.answered[key, t]["Predictions"].astype(np.float64)
        weights = np.exp(scores - scores.max())
        return weights / weights.sum()

    def named(self, key: str) -> int:
        """Column of the class named at the stop."""
        return int(self.probabilities(key, self.length(key) - 1).argmax())

    def confidence(self, key: str) -> float:
        return float(self.probabilities(key, self.length(key) - 1).max())

    def right(self, key: str) -> bool:
        return self.named(key) == self.target(key)

    def bits(self, key: str, agent: str, t: int) -> list[int]:
        return [int(bit) for bit in self.said[key, agent, t]["BinaryVec"]]

    def last(self, key: str) -> list[int]:
        """The Sender's message at the stop."""
        return self.bits(key, "S", self.length(key) - 1)


def write_tar(path: Path, keys: list[str], size: tuple[int, int] = (120, 80)) -> Path:
    """A tar of plain pictures, each of another colour."""
    with tarfile.open(path, "w") as tar:
        for number, key in enumerate(keys):
            content = io.BytesIO()
            Image.new("RGB", size, (37 * number % 256, 91 * number % 256, 160)).save(content, "PNG")
            member = tarfile.TarInfo(f"{key}.png")
            member.size = len(content.getvalue())
            content.seek(0)
            tar.addfile(member, content)
    return path


def write_attention(path: Path, messages: Path, classes: int) -> Path:
    """Attention of made-up weights about the images of a file of messages, in the format of attention.hdf5."""
    recorded = Recorded(messages)
    draw = np.random.default_rng(5)
    count, exchanges = len(recorded.keys), recorded.exchanges
    sender = draw.dirichlet(np.ones(GRID[0] * GRID[1]), (count, exchanges))
    receiver = np.zeros((count, exchanges, classes, WIDTH))
    words = np.full((classes, WIDTH), "", dtype=h5py.string_dtype("utf-8"))
    for column, own in enumerate(WORDS[:classes]):
        receiver[:, :, column, : len(own)] = draw.dirichlet(np.ones(len(own)), (count, exchanges))
        words[column, : len(own)] = own
    order = draw.permutation(count)
    with h5py.File(path, "w") as file:
        file["Key"] = np.array([recorded.keys[row].encode() for row in order], dtype="S50")
        file["Sender"] = sender[order].astype(np.float32)
        file["Sender"].attrs["height"], file["Sender"].attrs["width"] = GRID
        file["Receiver"] = receiver[order].astype(np.float16)
        file["Words"] = words
    return path


def write_numbers(path: Path, like: Path, run: str, seed: int) -> Path:
    """Continuous messages about the images of another file."""
    recorded = Recorded(like)
    draw = np.random.default_rng(8)
    talks = []
    for key in recorded.keys:
        sent, asked = draw.normal(size=(2, recorded.exchanges, 4)).tolist()
        scores = [recorded.answered[key, t]["Predictions"].tolist() for t in range(recorded.exchanges)]
        target = recorded.ids[recorded.target(key)]
        talks.append(
            Talk(key, target, scores, recorded.length(key), sender=sent, sender_probs=sent, receiver_probs=asked)
        )
    return write_messages(path, talks, recorded.labels, recorded.ids, run=run, seed=seed, continuous=True)


def whole_experiment(folder: Path, images: int = 6) -> Made:
    """Everything at once: two runs, one with attention, one with numbers, a failed seed, unseen and hostile classes."""
    made = make_experiment(
        folder, labels=HOSTILE, unseen=UNSEEN, runs=("adaptive", "fixed"), seeds=(0, 1), images=images, steps=4, bits=12
    )
    result = Made(folder / "browser.html", made)
    attention = write_attention(result.file("fixed", 0, kind="attention"), result.file("fixed", 0), len(HOSTILE))
    numbers = write_numbers(result.file("numbers", 0), result.file("fixed", 0), "numbers", 0)
    failed = result.file("fixed", 2)
    failed.parent.mkdir(parents=True)
    write_marker(failed, WHY)
    messages = [*made.files("messages.hdf5"), *made.files("messages.ood.hdf5"), numbers, failed]
    keys = Recorded(messages[0]).keys
    # Of the last picture, and of all of unseen classes, there is none.
    tar = write_tar(folder / "all.tar", keys[:-1])
    lines = [
        f'{number},"{name.replace(chr(34), chr(34) * 2)}",a <b>beast</b> of {number}' for number, name in DESCRIBED
    ]
    (folder / "descriptions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    with h5py.File(folder / "test.hdf5", "w") as file:
        file.attrs["preprocessing"] = json.dumps({"rule": "custom", "resize_px": 100, "crop_px": 80})
    build_browser(
        experiment="made & <up>",
        messages=messages,
        attention=[attention],
        descriptions=folder / "descriptions.csv",
        image_tars=[tar],
        features=folder / "test.hdf5",
        out=result.page,
    )
    return result


DESCRIBED = list(enumerate((*HOSTILE, *UNSEEN)))


def unpacked(layout, block):
    """The arrays again, by the format's description alone."""
    content = zlib.decompress(base64.b64decode(block))
    found = {}
    for name, kind, shape, start in layout:
        count = int(np.prod(shape))
        found[name] = np.frombuffer(content, f"<{kind}", count, start).reshape(shape)
    return found

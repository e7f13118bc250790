"""A tiny trained run on files of the 2017 layout, and the command called as a person calls it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from easy_runs import easy
from original_files import write_descriptions, write_part, write_words

from parley.cli.main import main
from parley.game.settings import GameSettings, TrainingSettings, as_mapping
from parley.training.checkpoint_selection import select
from parley.training.loop import train_from_files

LABELS = ["ant", "bee", "cat", "dog", "elk", "fox"]
"""Four to train on, two unseen."""
GAME = GameSettings(message_bits=6, max_exchanges=4)
TRAINING = TrainingSettings(
    steps=20, batch_size=16, dev_batch_size=20, learning_rate=1e-3, dev_every=10, first_checkpoint=10
)


class Trained(NamedTuple):
    folder: Path
    run: Path
    text: list[str]
    """Arguments that name descriptions and words."""

    @property
    def best(self):
        return str(self.run / "best.pt")

    def part(self, name):
        return str(self.folder / f"{name}.hdf5")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    for name, part in zip(("train", "test"), easy()[:2], strict=True):
        write_part(folder / f"{name}.hdf5", part.images.features, part.targets, name)
    draw = np.random.default_rng(5)
    write_part(folder / "ood.hdf5", draw.normal(size=(6, 16)), [4, 5, 4, 5, 4, 4])
    write_descriptions(folder / "descriptions.csv", LABELS)
    write_words(folder / "words.hdf5", LABELS)
    run = folder / "runs/tiny/6"
    settings = {"experiment": "easy", "run": "tiny", "seed": 6, "k": 2}
    settings |= {"game": as_mapping(GAME), "training": as_mapping(TRAINING)}
    parts = {"train": str(folder / "train.hdf5"), "dev": str(folder / "test.hdf5")}
    text = [str(folder / "descriptions.csv"), str(folder / "words.hdf5")]
    train_from_files([settings], parts, *text, [run])
    select(run, "accuracy@k")
    return Trained(folder, run, ["--descriptions", text[0], "--words", text[1]])


@pytest.fixture
def refused(capsys):
    """Call the command, see it fail in sentences, and return them."""

    def call(*arguments):
        assert main([str(each) for each in arguments]) == 1
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert "defect" not in err
        assert out == ""
        return err.strip().splitlines()

    return call

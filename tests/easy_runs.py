"""A run that is easily learned, of a few steps: `easy_runs.py <folder> <steps> [<seeds>] [<options>]`.

The options are --tensorboard, --tracked (by trackers in the run's folder) and --tracked=<tracking URI of MLflow>.
Of several seeds, as 1,2,3, each has a folder in the folder, by its number.
"""

import json
import sys
from pathlib import Path

import torch

from parley.core.errors import ParleyError
from parley.game.settings import GameSettings, TrainingSettings
from parley.game.types import Descriptions, Images
from parley.interaction.split_data import Candidates, Part
from parley.training.loop import train_runs
from parley.training.training_data import build_training_data

TINY = GameSettings(message_bits=6, max_exchanges=3)


def left_by(folder):
    """What a run leaves, times aside: the bytes of its checkpoints by name, and its log."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    untimed = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    return {path.name: path.read_bytes() for path in sorted((folder / "checkpoints").iterdir())}, untimed


def easy(classes=4, per_class=12, channels=16, seed=0):
    """Classes that lie far apart, with random descriptions."""
    draw = torch.Generator().manual_seed(seed)
    prototypes = 3 * torch.randn(classes, channels, generator=draw)
    targets = torch.arange(classes).repeat_interleave(per_class)

    def part():
        features = prototypes[targets] + torch.randn(len(targets), channels, generator=draw)
        return Part(Images(features), targets, [f"{row:032x}" for row in range(len(targets))])

    labels = [f"c{label}" for label in range(classes)]
    return part(), part(), Candidates(labels, Descriptions(0.4 * torch.randn(classes, 20, generator=draw)))


def run(folder, steps=12, seed=1, game=TINY, identity="", **options):
    run_all([folder], steps, [seed], game, identity, **options)
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def run_all(folders, steps, seeds, game=TINY, identity="", **options):
    training = TrainingSettings(
        **{"batch_size": 16, "learning_rate": 1e-3, "dev_every": 4, "first_checkpoint": 4, **options, "steps": steps}
    )
    train, dev, candidates = easy()
    train_runs(build_training_data(train, dev, candidates, game), game, training, seeds, 2, folders, identity)


if __name__ == "__main__":
    torch.set_num_threads(1)
    options = {"tensorboard": True} if "--tensorboard" in sys.argv else {}
    options |= {"wandb": "easy", "mlflow": "local"} if "--tracked" in sys.argv else {}
    for address in (argument.partition("=")[2] for argument in sys.argv if argument.startswith("--tracked=")):
        options["mlflow"] = address
    folder, steps, *rest = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    numbers = [int(seed) for seed in rest[0].split(",")] if rest else [1]
    try:
        folders = [Path(folder, str(seed)) for seed in numbers] if rest else [Path(folder)]
        run_all(folders, int(steps), numbers, **options)
    except ParleyError as error:
        sys.exit(str(error))

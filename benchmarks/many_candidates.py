"""What comes after training, by the number of candidates: counting, messages, flips, analysis, measures and browser.

uv run python benchmarks/many_candidates.py [--candidates 30 1000 21841] [--images 500] [--exchanges 10]

An untrained Adaptive game of 32 bits on random features; with many candidates there are as many images as
evaluation.recorded_images allows. Each stage is a process of its own on what the one before left; memory is
the most that the process had, Python and its libraries included.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parley.evaluation.evaluate import EvalBatchSpec
    from parley.interaction.run import RolloutInputs

CLASSES_AND_VECTORS = (512, 100)
"""Widths of a feature and of a word vector."""


class Case:
    """An untrained run, its images and its candidates."""

    def __init__(self, folder: Path, candidates: int, images: int, exchanges: int) -> None:
        self.folder, self.candidates, self.images, self.exchanges = folder, candidates, images, exchanges
        self.messages = folder / "runs/adaptive/1/messages.hdf5"

    def setup(self) -> "RolloutInputs":
        """The agents and the split."""
        import torch

        from parley.game import Descriptions, GameSettings
        from parley.game.agents import make_agents
        from parley.game.types import Images
        from parley.interaction.run import RolloutInputs

        torch.manual_seed(1)
        game = GameSettings(preset="Adaptive", max_exchanges=self.exchanges)
        width, words = CLASSES_AND_VECTORS
        agents = make_agents(game, width, words, [1])
        target_index = torch.arange(self.images) * self.candidates // self.images
        descriptions = Descriptions(torch.randn(self.candidates, words))
        return RolloutInputs(agents, Images(torch.randn(self.images, width)), target_index, descriptions, game, 64)


def count(case: Case) -> None:
    from parley.core.files import write_json
    from parley.interaction.run import evaluate_batches

    counted = evaluate_batches(case.setup(), k=3)[0].result
    about = {"run": "adaptive", "seed": 1, "k": 3, "step": 1, "parts": {"test": counted}}
    case.messages.parent.mkdir(parents=True)
    write_json(case.messages.parent / "evaluation.json", about)


def spec_of(case: Case, setup: "RolloutInputs") -> "EvalBatchSpec":
    from parley.evaluation.evaluate import EvalBatchSpec
    from parley.interaction.split_data import Part

    labels = [f"class {label}" for label in range(case.candidates)]
    keys = [f"{number * 2654435761 % 2**32:032x}" for number in range(case.images)]
    part = Part(setup.images, setup.target_index, keys)
    return EvalBatchSpec(part, setup.target_index, list(range(case.candidates)), labels, setup.descriptions)


def messages(case: Case) -> None:
    from parley.evaluation.messages import write_messages
    from parley.interaction.run import rollout_split

    about, setup = {"run": "adaptive", "seed": 1, "part": "test", "step": 1}, case.setup()
    write_messages(case.messages, rollout_split(setup).of(0), spec_of(case, setup), about, "bernoulli")


def disturb(case: Case) -> None:
    from parley.evaluation.interventions import FLIPS, intervened
    from parley.game.settings import TrainingSettings
    from parley.interaction.split_data import fit
    from parley.training.checkpoint import Checkpoint, Sizes

    setup = case.setup()
    spec, training = spec_of(case, setup), TrainingSettings(dev_batch_size=setup.batch_size)
    scales, sizes = fit(setup.images, "none"), Sizes(*CLASSES_AND_VECTORS, 1000)
    checkpoint = Checkpoint(setup.agents, scales, setup.game, training, sizes, spec.candidate_ids, 1, 1, {})
    intervened(checkpoint, spec, 3, FLIPS)


def analyse(case: Case) -> None:
    from parley.core.files import write_json
    from parley.metrics.analysis import analyse_run

    write_json(case.messages.parent / "analysis.json", analyse_run(case.messages.parent))


def figures(case: Case) -> None:
    from parley.report.figures.draw import draw_run
    from parley.report.figures.results import RunFiles

    draw_run("adaptive", RunFiles([case.messages.parent / "analysis.json"], [], [], []), case.folder / "figures")


def measure(case: Case) -> None:
    import numpy as np

    from parley.metrics.conversations import read_conversations
    from parley.metrics.language import Semantics, measure_language

    vectors = np.random.default_rng(1).normal(size=(case.candidates, CLASSES_AND_VECTORS[1]))
    measure_language(read_conversations(case.messages), Semantics(vectors), 3)


def browser(case: Case) -> None:
    from parley.report.browser.build import build_browser

    build_browser(experiment="made up", messages=[case.messages], image_tars=[], out=case.folder / "browser.html")


STAGES: dict[str, Callable[[Case], None]] = {
    "count": count,
    "messages": messages,
    "disturb": disturb,
    "analyse": analyse,
    "figures": figures,
    "measure": measure,
    "browser": browser,
}


def run_alone(stage: str, case: Case) -> dict[str, float] | None:
    """What a stage took; None where it failed."""
    numbers = {"candidates": case.candidates, "images": case.images, "exchanges": case.exchanges}
    command = [sys.executable, __file__, "--stage", stage, "--folder", str(case.folder)]
    command += [word for name, number in numbers.items() for word in (f"--{name}", str(number))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{stage} failed:\n{done.stderr[-2000:]}")
        return None
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, nargs="+", default=[30, 1000, 21_841])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--exchanges", type=int, default=10)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        import torch

        torch.set_num_threads(1)
        started = time.perf_counter()
        STAGES[given.stage](Case(given.folder, given.candidates[0], given.images, given.exchanges))
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(json.dumps({"s": time.perf_counter() - started, "cpu": time.process_time(), "mb": most}))
        return
    for candidates in given.candidates:
        with tempfile.TemporaryDirectory() as folder:
            case = Case(Path(folder), candidates, given.images, given.exchanges)
            for stage in STAGES:
                if taken := run_alone(stage, case):
                    told = f"{taken['s']:6.1f} s by the clock {taken['cpu']:6.1f} s of processors {taken['mb']:6.0f} MB"
                    print(f"{candidates:6} candidates  {stage:9} {told}", flush=True)
            sizes = {path.name: path.stat().st_size / 1e6 for path in Path(folder).rglob("*") if path.is_file()}
            told = ", ".join(f"{name} {size:.1f}" for name, size in sizes.items() if size > 0.05)
            print(f"{candidates:6} candidates  MB: {told}", flush=True)


if __name__ == "__main__":
    main()

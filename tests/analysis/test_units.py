"""Every metric that is written has a unit, so that none is left out of a table."""

import numpy as np
import torch
from made_runs import Talk, evaluation_entry, write_evaluation, write_messages

from parley.analysis import agreement
from parley.analysis.seed_tables import BY_EXCHANGE_UNITS
from parley.interaction.per_example_metrics import PerExample, aggregate
from parley.metrics.analysis import analyse_run
from parley.metrics.conversations import read_conversations
from parley.metrics.registry import EVALUATION_UNITS

ABOUT = {"n", "candidates", "k", "chance@1", "chance@k"}
"""Of an evaluation: what is no metric of the run."""
TALKS = [Talk("a", 0, [[5, 0], [0, 5]], 1), Talk("b", 1, [[0, 5], [5, 0]], 2)]


def test_metrics_of_evaluation_json():
    metrics = PerExample(*[torch.ones(3)] * 3, *[torch.ones(3, 2)] * 4)
    assert set(aggregate(metrics, 1, 2)) == {*EVALUATION_UNITS, *ABOUT}


def test_metrics_by_exchange_and_of_agreement(tmp_path):
    own = tmp_path / "runs/adaptive/3"
    write_messages(own / "messages.hdf5", TALKS, ["cat", "dog"], seed=3, bits=2)
    write_evaluation(own, {"test": evaluation_entry(2, 2, 1, top1=1, topk=1)}, seed=3)
    found = set(analyse_run(own)["parts"]["test"]["by_exchange"])
    assert found == {"talking", *(f"{name}_{over}" for name in BY_EXCHANGE_UNITS for over in ("all", "talking"))}
    seed = agreement._seed(read_conversations(own / "messages.hdf5"), np.arange(2))
    assert set(agreement._compared(seed, seed)) == set(agreement.UNITS)

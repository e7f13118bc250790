"""Made-up results of a run, for tests of what is said of them."""

import numpy as np
from made_runs import evaluation_entry

from parley.analysis.summary import summarise
from parley.metrics.pooling import PooledPart, Projection
from parley.metrics.records import Curve

LABELS = ["cat", "dog", "owl", "eel"]


def rows_of(values, part="test", run="adaptive", images=40, candidates=4, **metrics):
    entries = [evaluation_entry(images, candidates, 2, top1=value, **metrics) for value in values]
    evaluations = [{"run": run, "seed": seed, "k": 2, "parts": {part: one}} for seed, one in enumerate(entries)]
    return summarise(evaluations, [(run, seed) for seed in range(len(values))])


def part_of(**changes):
    values = {
        "seeds": [0, 1],
        "labels": LABELS,
        "max_exchanges": 3,
        "message_bits": 4,
        "confusion": np.diag([10.0] * 4),
        "class_accuracy": np.array([[0.1, 0.2, 0.3, 0.4]] * 2),
        "class_length": np.array([[3.0, 2.5, 2.0, 1.0]] * 2),
        "talking": np.array([[1.0, 0.5, 0.2]] * 2),
        "by_exchange": {
            "accuracy@1_all": np.array([[0.2, 0.3, 0.4]] * 2),
            "prediction_entropy_bits_all": np.array([[2.0, 1.5, 1.0]] * 2),
            "sender_entropy_bits_all": np.array([[1.0, 1.5, 2.0]] * 2),
            "receiver_entropy_bits_all": np.array([[3.0, 2.0, 1.0]] * 2),
        },
        "projection": Projection(1, np.zeros((40, 2)), np.zeros(40, dtype=int), np.array([0.5, 0.25]), 7),
    }
    return PooledPart(**(values | changes))


def curve(seed, steps, values):
    return Curve("adaptive", seed, list(steps), {"accuracy@1": list(values)}, {}, 2)

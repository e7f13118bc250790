"""Where the time of a training step goes: torch's own count of its operations, by kind. One thread.

uv run python benchmarks/train_parts.py [Fixed Adaptive FixedAttention AdaptiveAttention]
"""

import collections
import sys

import torch
from torch.profiler import ProfilerActivity, profile
from train import BATCH, IMAGES, trainer_of

from parley.game import GameSettings
from parley.game.settings import PRESETS
from parley.training.loop import keep_freed_memory

STEPS = 20
KINDS = {
    "matrix products": "mm bmm addmm baddbmm",
    "element by element": """
        add add_ sub rsub mul mul_ div div_ neg addcmul addcmul_ addcdiv_ sqrt square pow exp log log1p tanh tanh_
        sigmoid sigmoid_ relu relu_ clamp clamp_min clamp_min_ threshold_backward tanh_backward sigmoid_backward
        lt gt ge le eq where bitwise_xor bitwise_xor_ bitwise_and __rshift__ _softmax _log_softmax
        _log_softmax_backward_data softplus
    """,
    "copies": """
        copy_ cat index_select index stack gather repeat clone scatter scatter_ scatter_add_ index_add_ fill_ zero_
    """,
    "sums": "sum mean linalg_vector_norm amax argmax cumsum max",
}


def kind_of(name: str) -> str:
    short = name.split("::")[-1]
    return next((kind for kind, names in KINDS.items() if short in names.split()), "calls and all else")


def main() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    for preset in sys.argv[1:] or PRESETS:
        trainer = trainer_of(GameSettings(preset=preset), 1, "cpu")

        def learn(step: int, trainer=trainer) -> None:
            trainer.train_step(step, torch.randperm(IMAGES)[:BATCH][None])

        for step in range(1, 11):
            learn(step)
        with profile(activities=[ProfilerActivity.CPU]) as found:
            for step in range(11, 11 + STEPS):
                learn(step)
        times, calls = collections.Counter(), collections.Counter()
        for entry in found.key_averages():
            times[kind_of(entry.key)] += entry.self_cpu_time_total
            calls[kind_of(entry.key)] += entry.count / STEPS
        total = sum(times.values())
        shares = "; ".join(
            f"{kind} {time / total:.0%} in {calls[kind]:.0f} calls" for kind, time in times.most_common()
        )
        print(f"{preset}: {shares}", flush=True)


if __name__ == "__main__":
    main()

"""The results of an experiment that claims are tested on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parley.core.files import read_csv, read_json
from parley.metrics.conversations import Conversations, read_conversations
from parley.metrics.records import finite, owner_of

BySeed = dict[int, Any]


@dataclass(frozen=True)
class Evidence:
    """Files of one experiment, read on demand.

    Attributes
    ----------
    games
        Game settings, by run.
    evaluations, interventions
        Contents of `evaluation.json` and `interventions.json`, by run and seed.
    messages
        Files of messages, by run, split and seed.
    difficulty
        F1 of a linear classifier on the frozen features, by split and class.
    """

    games: Mapping[str, Mapping[str, Any]]
    evaluations: Mapping[str, BySeed]
    interventions: Mapping[str, BySeed]
    messages: Mapping[tuple[str, str], Mapping[int, Path]]
    difficulty: Mapping[str, Mapping[str, float]]
    _held: dict[tuple[str, str], dict[int, Conversations]] = field(default_factory=dict, repr=False)

    def conversations(self, run: str, part: str) -> dict[int, Conversations]:
        """Return the dialogues of each successful seed with finite numbers; none for a failed run."""
        if (run, part) not in self._held:
            # Keep one run only, because all would not fit in memory. Claims about one run are consecutive.
            self._held.clear()
            paths = self.messages.get((run, part), {})
            read = {seed: read_conversations(path) for seed, path in sorted(paths.items())}
            self._held[run, part] = {seed: dialogues for seed, dialogues in read.items() if dialogues.finite}
        return self._held[run, part]

    def metric(self, run: str, part: str, metric: str) -> dict[int, float]:
        """Return a metric of `evaluation.json` for each seed that has a finite value."""
        found = {seed: finite(one["parts"].get(part, {}).get(metric)) for seed, one in self._of(run)}
        return {seed: value for seed, value in found.items() if value is not None}

    def images(self, run: str, part: str) -> int:
        """Return the number of images of a split on which a run was evaluated; 0 without a successful seed."""
        return max((int(one["parts"].get(part, {}).get("n", 0)) for _, one in self._of(run)), default=0)

    def _of(self, run: str) -> Iterable[tuple[int, Any]]:
        return sorted(self.evaluations.get(run, {}).items())

    def intervention(self, run: str, part: str, name: str, value: int | None, metric: str) -> dict[int, float]:
        """Return a metric of an intervention for each seed that has it."""
        found = {}
        for seed, one in self.interventions.get(run, {}).items():
            for row in one["parts"].get(part, {}).get("rows", []):
                if (row["intervention"], row["value"]) == (name, value) and row["measures"].get(metric) is not None:
                    found[seed] = row["measures"][metric]
        return found


def read_evidence(
    games: Mapping[str, Mapping[str, Any]],
    evaluations: Sequence[str | Path],
    interventions: Sequence[str | Path],
    messages: Sequence[str | Path],
    difficulty: str | Path | None,
) -> Evidence:
    """Collect the evidence from the files of successful runs, in any order.

    Parameters
    ----------
    games
        Settings of the game, by run.
    evaluations, interventions
        `evaluation.json` and `interventions.json` files.
    messages
        Files of messages, `messages.hdf5` and `messages.<part>.hdf5`.
    difficulty
        `difficulty.csv`; None if no claim needs it.
    """
    conversations: dict[tuple[str, str], dict[int, Path]] = {}
    for path in map(Path, messages):
        run, seed = owner_of(path)
        part = path.name.removeprefix("messages.").removesuffix("hdf5").removesuffix(".") or "test"
        conversations.setdefault((run, part), {})[seed] = path
    classes: dict[str, dict[str, float]] = {}
    for row in read_csv(difficulty) if difficulty is not None else []:
        if row["f1"]:
            classes.setdefault(row["part"], {})[row["class"]] = float(row["f1"])
    return Evidence(games, _by_run(evaluations), _by_run(interventions), conversations, classes)


def _by_run(paths: Sequence[str | Path]) -> dict[str, BySeed]:
    found: dict[str, BySeed] = {}
    for path in paths:
        one = read_json(path)
        found.setdefault(one["run"], {})[one["seed"]] = one
    return found

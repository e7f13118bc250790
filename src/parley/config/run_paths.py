"""Paths of the files of runs and seeds, and in which groups seeds are trained."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from parley.config.paths import Paths
from parley.interaction.eval_sets import ALONE

SEED_WILDCARD = ["{seed}"]


@dataclass(frozen=True)
class RunPaths:
    """Paths below ``results/<experiment>/runs/<run>/<seed>/``.

    Attributes
    ----------
    paths
        Of the experiment.
    runs, seeds
        All of the experiment.
    """

    paths: Paths
    runs: Sequence[str]
    seeds: Sequence[int]

    def file(self, name: str) -> str:
        """Return the path of a file of one run and seed, which are wildcards."""
        return self.paths.result(f"runs/{{run}}/{{seed}}/{name}")

    def of_seeds(self, name: str, seeds: Iterable[int | str]) -> list[str]:
        """Return the paths of a file for each of some seeds; the run is a wildcard."""
        return [self.paths.result(f"runs/{{run}}/{seed}/{name}") for seed in seeds]

    def of_runs(self, name: str, runs: Iterable[str] | None = None) -> list[str]:
        """Return the paths of a file for every seed of some runs, or of all."""
        return self._expanded([self.file(name)], self.runs if runs is None else runs)

    def messages(self) -> list[str]:
        """Return the paths of one run's dialogues, one for each evaluation set; run and seed are wildcards."""
        return self._by_eval_set("messages")

    def held_out_messages(self) -> list[str]:
        """Return those of `messages` that are about images that the run was not trained on."""
        return [path for path in self.messages() if not path.endswith(".train.hdf5")]

    def attention(self) -> list[str]:
        """Return the paths of what one run's agents attend to, as `messages` does."""
        return self._by_eval_set("attention")

    def all_messages(self) -> list[str]:
        """Return the paths of the dialogues of every run and seed."""
        return self._expanded(self.messages(), self.runs)

    def all_attention(self, runs: Iterable[str]) -> list[str]:
        """Return the paths of what agents attend to, for every seed of some runs."""
        return self._expanded(self.attention(), runs)

    def messages_about(self, runs_and_sets: Iterable[tuple[str, str]]) -> list[str]:
        """Return the paths of the dialogues of some runs about one evaluation set each, for every seed."""
        return [
            self.paths.result(f"runs/{run}/{seed}/messages{_suffix(name)}.hdf5")
            for run, name in runs_and_sets
            for seed in self.seeds
        ]

    def eval_set_names(self) -> list[str]:
        """Return the names of the evaluation sets: every split, and unseen classes also among themselves alone."""
        unseen = [part for part in self.paths.parts if part in ("ood", "transfer")]
        return [*self.paths.parts, *(f"{part}{ALONE}" for part in unseen)]

    def _by_eval_set(self, kind: str) -> list[str]:
        return [self.file(f"{kind}{_suffix(name)}.hdf5") for name in self.eval_set_names()]

    def _expanded(self, patterns: Sequence[str], runs: Iterable[str]) -> list[str]:
        return [
            pattern.replace("{run}", run).replace("{seed}", str(seed))
            for pattern in patterns
            for run in runs
            for seed in self.seeds
        ]


def _suffix(eval_set: str) -> str:
    """Return what follows a file's kind in its name; the test split's files go without."""
    return "" if eval_set == "test" else f".{eval_set}"


def seed_groups(seeds: Sequence[int], per_job: int) -> list[list[str]]:
    """Return the seeds of each training job; the wildcard alone where each job trains one seed."""
    if per_job == 1:
        return [SEED_WILDCARD]
    names = [str(seed) for seed in seeds]
    groups = [names[start : start + per_job] for start in range(0, len(names), per_job)]
    return [SEED_WILDCARD] if max(map(len, groups)) == 1 else groups

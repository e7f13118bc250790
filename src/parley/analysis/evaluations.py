"""Read and check all evaluations of an experiment."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parley.analysis.summary import summarise
from parley.config.saved_configs import named_runs, read_config
from parley.core.errors import Findings
from parley.core.failures import failure_in
from parley.metrics.records import read_evaluation
from parley.provenance.hashing import check_undamaged


def evaluations_of(folder: str | Path) -> list[dict[str, Any]]:
    """Return the contents of the evaluation.json files of an experiment, without seeds that have none or failed.

    Parameters
    ----------
    folder
        Results folder of the experiment, ``results/<experiment>``. Runs that its config.yaml does not list are skipped.

    Raises
    ------
    ParleyError
        If the folder has no config.yaml, or if an evaluation.json has changed since it was written, is of another run,
        seed or experiment, has impossible values, or does not fit those of the run's other seeds.
    """
    folder = Path(folder)
    owners = named_runs(folder)
    folders = [folder / "runs" / run / str(seed) for run, seed in owners]
    check_undamaged(own / name for own in folders for name in ("selection.json", "evaluation.json"))
    paths = [
        own / "evaluation.json"
        for own in folders
        if (own / "evaluation.json").is_file()
        and failure_in(own / "selection.json") is None
        and failure_in(own / "evaluation.json") is None
    ]
    evaluations = [read_evaluation(path) for path in paths]
    _require_experiment(read_config(folder / "config.yaml").get("experiment"), evaluations, paths)
    summarise(evaluations, owners)  # Raises if seeds of a run differ in images, candidates or k.
    return evaluations


def _require_experiment(experiment: str | None, evaluations: Sequence[dict[str, Any]], paths: Sequence[Path]) -> None:
    """Raise `ParleyError` if evaluations are of another experiment than the config.yaml in their folder."""
    findings = Findings()
    for one, path in zip(evaluations, paths, strict=True):
        if experiment is not None and one.get("experiment", experiment) != experiment:
            findings.add(
                f"{path} belongs to experiment {one['experiment']}, but is in the folder of {experiment}; remove it "
                "and evaluate that run again."
            )
    findings.raise_if_any()

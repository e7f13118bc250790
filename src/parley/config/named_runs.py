"""Which runs and seeds an experiment has, by the config.yaml in its folder."""

from pathlib import Path

import yaml

from parley.core.errors import ParleyError


def named_runs(folder: Path) -> list[tuple[str, int]]:
    """Return every run and seed of an experiment's config, run by run.

    What else lies in its folder is of runs that were renamed or given up.

    Parameters
    ----------
    folder
        ``results/<experiment>``.

    Raises
    ------
    ParleyError
        When there is no config.yaml, or it names no runs and seeds.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise ParleyError(
            f"{folder} is no experiment's folder: it has no config.yaml. Name results/<experiment>; "
            f"`snakemake {_target(folder)}`, with the experiment's config, writes the file."
        )
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        return [(run["name"], seed) for run in config["runs"] for seed in config["seeds"]]
    except (KeyError, TypeError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ParleyError(
            f"{path} names no runs and seeds; remove it and run `snakemake {_target(folder)}`, with the experiment's "
            "config."
        ) from error


def _target(folder: Path) -> str:
    """Return the file as Snakemake knows it, from wherever the folder was named."""
    return f"results/{folder.absolute().name}/config.yaml"

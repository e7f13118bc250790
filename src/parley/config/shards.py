"""Large class sets in shards: folders of many classes' files, so that Snakemake keeps count of some hundred paths.

For each path that it is told of Snakemake looks through all rules and compiles a pattern, and a job of many outputs is
compared output by output: with 21,841 classes and their tars, manifests, hashes and features one by one, to plan took
minutes.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

MOST_BY_FILE = 1000
"""The largest class set whose files Snakemake is told of one by one."""
SHARDS = 100
"""About as many shards a larger one is in."""


def shards_of(names: Sequence[str]) -> dict[str, list[str]]:
    """Return the shards of a class set: the classes of each by its name; empty where the set needs none.

    They follow from the set alone, and not from settings of speed: changing those moves no file.
    """
    if len(names) <= MOST_BY_FILE:
        return {}
    size = -(-len(names) // SHARDS)
    starts = range(0, len(names), size)
    return {f"shard-{number:03d}": list(names[start : start + size]) for number, start in enumerate(starts)}


def files_in(paths: Iterable[str | Path], suffix: str) -> list[str]:
    """Return files as they are given, and of a shard its files with a suffix, sorted."""
    found: list[str] = []
    for path in map(Path, paths):
        # Not glob, to which a bracket in a name means something.
        inside = sorted(one for one in path.iterdir() if one.suffix == suffix) if path.is_dir() else [path]
        found += [str(one) for one in inside if not one.name.startswith(".")]
    return found


def by_class(paths: Iterable[str | Path], suffix: str) -> dict[str, str]:
    """Return the files of `files_in` by the classes that they are named after."""
    return {Path(path).stem: path for path in files_in(paths, suffix)}


def files_for(sources: Iterable[str | Path], outputs: Sequence[str], suffix: str) -> list[str]:
    """Return the path that is to be written for each class's source.

    Parameters
    ----------
    sources
        A file a class.
    outputs
        A path a class, in the same order; or the one folder that holds them all, a shard, which is made.
    suffix
        Of what is written.
    """
    if outputs[0].endswith(suffix):
        return list(outputs)
    folder = Path(outputs[0])
    folder.mkdir(parents=True, exist_ok=True)
    return [str(folder / f"{Path(source).stem}{suffix}") for source in sources]

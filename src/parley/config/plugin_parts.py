"""The parts of plug-ins that an experiment uses: which stages use them, and what is wrong with them."""

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from parley.config.run_settings import settings_of_runs
from parley.config.schema import Config, Part
from parley.core.errors import did_you_mean
from parley.dataset.sources import KINDS as SOURCE_KINDS
from parley.metrics.registry import UNITS
from parley.plugins.declared import Declared, read_plugins
from parley.plugins.kinds import GAME_SETTINGS
from parley.plugins.registry import Option
from parley.runtime.code_digest import SOURCES, Sources, combined

OWN: Mapping[str, Collection[str]] = {
    "metric": tuple(UNITS),
    "figure": (
        "accuracy-by-part",
        *("learning-curves", "by-exchange", "flipped-bits", "length-by-class", "confusion", "messages-pca"),
    ),
    "image_source": (*SOURCE_KINDS, "features"),
    "channel": ("bernoulli", "straight_through", "gumbel", "continuous", "continuous_original"),
    "baseline": ("learned", "running_mean", "leave_one_out", "none"),
    "sender": ("original",),
    "receiver": ("original",),
    "reward": ("original", "paper"),
    "augmentation": (),
}
"""Names of Parley's own parts, by kind."""
OF_GAME = ("train_run", "evaluate_run", "extract_messages", "extract_attention", "intervene_run")
"""Scripts that run the game, and use the parts that the settings of their run name."""
LISTING = "list_archives"
"""Script that lists the addresses of a plug-in's image source. The path of its output has the digest of its code."""
OF_ALL_RUNS = {
    "measure_language": ("metric",),
    "draw_run_figures": ("figure",),
    "build_report": ("metric", "figure"),
}
"""Scripts that use all registered parts of some kinds."""
_REGISTERED_BY_A_FILE = "a part of your own is registered by a file under `plugins`."
PartsByFile = dict[str, dict[str, str]]
"""Path of a plug-in file → the digest of each of its parts by kind and name, such as ``channel noisy``."""


def with_sources(schema: Part, config: Mapping[str, Any]) -> Part:
    """Return the schema with the image sources that a config's plug-ins register among the values of `source.kind`."""
    paths = config.get("plugins")
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) for path in paths):
        return schema
    parts, _ = read_plugins(paths, OWN, Sources(SOURCES))
    own = [part.name for part in parts if part.kind == "image_source"]
    extended = copy.deepcopy(dict(schema)) if own else dict(schema)
    if own:
        extended["properties"]["source"]["properties"]["kind"]["enum"] += own
    return extended


class PluginParts:
    """The parts that the files under `plugins` register.

    Parameters
    ----------
    config
        A complete config.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        paths = config.get("plugins") or []
        self.parts: list[Declared] = []
        self.problems: list[str] = []
        """An error message for each problem of the files."""
        if paths:
            self.parts, self.problems = read_plugins(paths, OWN, Sources(SOURCES))

    def findings(self) -> list[str]:
        """Return an error message for each problem of the files, of names of parts, and of values of their options."""
        others = list(self._of_settings())
        if self.problems:
            # A part that seems unknown may be one of a file with problems.
            others = [one for one in others if not one.endswith(_REGISTERED_BY_A_FILE)]
        return list(dict.fromkeys([*self.problems, *others]))

    def of_kind(self, kind: str) -> list[Declared]:
        """Return the parts of one kind."""
        return [part for part in self.parts if part.kind == kind]

    def image_source(self) -> Declared | None:
        """Return the part that `source.kind` names; None if it is one of Parley's own kinds."""
        kind = self._config["source"]["kind"]
        return next((part for part in self.of_kind("image_source") if part.name == kind), None)

    def source_code(self) -> str:
        """Return the digest of the image source that `source.kind` names; empty for Parley's own kinds."""
        part = self.image_source()
        return part.digest if part else ""

    def used_by(self, script: str, run: str | None = None) -> list[Declared]:
        """Return the parts that a stage uses.

        Parameters
        ----------
        script
            Name of the stage's script, such as ``train_run``.
        run
            Name of the run, for scripts in `OF_GAME`; None for the parts of any run.
        """
        if script in OF_GAME:
            return [part for part in self.parts if any(part in used for used in self._of_runs(run))]
        if script == LISTING:
            return [part for part in [self.image_source()] if part]
        return [part for part in self.parts if part.kind in OF_ALL_RUNS.get(script, ())]

    def digests(self, script: str, run: str | None = None) -> dict[str, str]:
        """Return the digest of each part that a stage uses, by kind and name."""
        return {part.label: part.digest for part in self.used_by(script, run)}

    def digests_with(self, script: str, code: str) -> dict[str, dict[str, str]]:
        """Return each value that `combined` gives a script's digest → the parts behind it, by label and file."""
        runs = [run["name"] for run in self._config["runs"]] if script in OF_GAME else [None]
        return {
            combined(code, self.digests(script, run)): {
                f"{part.label} in {part.file}": part.digest for part in self.used_by(script, run)
            }
            for run in runs
        }

    def by_file(self, script: str, run: str | None = None) -> PartsByFile:
        """Return the parts that a stage uses, by file."""
        found: PartsByFile = {}
        for part in self.used_by(script, run):
            found.setdefault(part.file, {})[part.label] = part.digest
        return found

    def by_stage(self) -> dict[str, dict[str, PartsByFile]]:
        """Return the parts that each stage uses: for each script that uses any, by run; ``""`` for all runs."""
        runs = [run["name"] for run in self._config["runs"]]
        scripts = dict.fromkeys(OF_GAME, runs) | {script: [""] for script in (LISTING, *OF_ALL_RUNS)}
        found = {script: {run: self.by_file(script, run or None) for run in names} for script, names in scripts.items()}
        return {script: by_run for script, by_run in found.items() if any(by_run.values())}

    def _of_runs(self, run: str | None) -> list[list[Declared]]:
        return [self._by_run[run]] if run is not None else list(self._by_run.values())

    @cached_property
    def _by_run(self) -> dict[str, list[Declared]]:
        return {
            name: [part for part in self.parts if part.name in _named(settings, part.kind)]
            for name, settings in settings_of_runs(self._config).items()
        }

    def _of_settings(self) -> Iterator[str]:
        own, options = self.image_source(), self._config["source"].get("options") or {}
        problems = _option_problems("source.options", options, [own] if own else [])
        yield from (f"Config: {one}" for one in problems)
        declared = {(part.kind, part.name): part for part in self.parts}
        for run, settings in settings_of_runs(self._config).items():
            where = f"Config, run {run}"
            for kind, setting in GAME_SETTINGS.items():
                known = [*OWN[kind], *(name for of_kind, name in declared if of_kind == kind)]
                for name in _named(settings, kind):
                    if name not in known:
                        yield f"{where}: {_unknown(setting, name, known)}"
            for section in ("game", "training"):
                keys = _keys(settings, section)
                if any(name not in OWN[kind] and (kind, name) not in declared for kind, name in keys):
                    continue  # The options may be those of the misspelt part.
                named = [declared[key] for key in keys if key in declared]
                given = settings[section].get("plugin_options") or {}
                problems = _option_problems(f"{section}.plugin_options", given, named)
                yield from (f"{where}: {one}" for one in problems)


def _unknown(setting: str, name: str, known: Sequence[str]) -> str:
    listed = f"it must be one of {', '.join(known)}" if known else "Parley has none itself"
    otherwise = f"{listed}; {_REGISTERED_BY_A_FILE}"
    return f"{setting} is {name!r}; {did_you_mean(name, known, otherwise)}"


def _keys(settings: Config, section: str) -> list[tuple[str, str]]:
    kinds = [kind for kind, setting in GAME_SETTINGS.items() if setting.startswith(f"{section}.")]
    return [(kind, name) for kind in kinds for name in _named(settings, kind)]


def _named(settings: Mapping[str, Any], kind: str) -> list[str]:
    """Return the parts of a kind that the settings of a run name."""
    if kind not in GAME_SETTINGS:
        return []
    section, _, key = GAME_SETTINGS[kind].partition(".")
    value = settings[section].get(key)
    return list(value) if isinstance(value, list | tuple) else [value] if isinstance(value, str) else []


def _option_problems(where: str, given: Mapping[str, Any], parts: Sequence[Declared]) -> Iterator[str]:
    """Yield an error message for each option that no part has, or whose value has another type than its default."""
    known = {name: value for part in parts for name, value in part.options.items()}
    for name, value in given.items():
        key = f"{where}.{name}"
        if name not in known:
            options = (
                f"the options of the run's parts are {', '.join(known)}." if known else "its parts have no options."
            )
            yield f"{key} is unknown; {did_you_mean(name, known, options)}"
        elif known[name] is not None and not _is_alike(value, known[name]):
            yield f"{key} is {value!r}, but the default is {known[name]!r}; give a value of the same type."


def _is_alike(value: Any, default: Option) -> bool:
    numbers = (int, float)
    if isinstance(value, bool) or isinstance(default, bool):
        return type(value) is type(default)
    if isinstance(default, float):
        return isinstance(value, numbers)
    return type(value) is type(default)

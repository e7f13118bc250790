"""Registries: the parts of one kind, such as channels, that a setting of the config can name."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from parley.core.errors import ParleyError, did_you_mean

Part = TypeVar("Part")
Option = bool | int | float | str


class Plugin(NamedTuple):
    """A part that a plug-in has registered."""

    part: Any
    """The decorated class or function."""
    options: Mapping[str, Option]
    """Default value of each of its options."""


PLUGINS: dict[str, dict[str, Plugin]] = {}
"""The parts that the plug-ins loaded by this process have registered, by kind and name."""


class Registry(Mapping[str, Part]):
    """The parts of one kind by name: Parley's own, followed by those of plug-ins.

    Parameters
    ----------
    kind
        Name of the decorator that registers parts of this kind.
    setting
        The setting that names a part, for error messages, such as ``game.channel``.
    own
        Parley's own parts.
    """

    def __init__(self, kind: str, setting: str, own: Mapping[str, Part]) -> None:
        self.kind, self.setting, self.own = kind, setting, own

    def __getitem__(self, name: str) -> Part:
        """Return a part; raise `ParleyError` if there is none of this name."""
        if name in self.own:
            return self.own[name]
        plugins = PLUGINS.get(self.kind, {})
        if name not in plugins:
            near = did_you_mean(name, self, "name the file that registers it under `plugins`, or choose another.")
            raise ParleyError(f"{self.setting}: {name!r} is not one of {', '.join(self)}; {near}")
        part: Part = plugins[name].part
        return part

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from PLUGINS.get(self.kind, {})

    def __len__(self) -> int:
        return len(self.own) + len(PLUGINS.get(self.kind, {}))

    def options_of(self, name: str) -> Mapping[str, Option]:
        """Return the default value of each option of a part; Parley's own parts have none."""
        found = PLUGINS.get(self.kind, {}).get(name)
        return {} if found is None else found.options


def _register(kind: str, name: str, options: Mapping[str, Option]) -> Callable[[Part], Part]:
    def register(part: Part) -> Part:
        PLUGINS.setdefault(kind, {})[name] = Plugin(part, options)
        return part

    return register


def _with_options(kind: str) -> Callable[..., Callable[[Part], Part]]:
    """Return the decorator ``kind(name, **options)`` of a part with options, whose default values it gives."""

    def named(name: str, **options: Option) -> Callable[[Part], Part]:
        return _register(kind, name, options)

    return named


augmentation = _with_options("augmentation")
baseline = _with_options("baseline")
channel = _with_options("channel")
image_source = _with_options("image_source")
receiver = _with_options("receiver")
reward = _with_options("reward")
sender = _with_options("sender")


def metric(
    name: str,
    *,
    unit: str = "",
    label: str = "",
    description: str = "",
    less_is_better: bool = False,
    report_row: int | None = None,
) -> Callable[[Part], Part]:
    """Register a metric of language.csv, a function ``(conversations, generator)``.

    It returns a number, None if the metric is undefined for these dialogues, or a
    `parley.metrics.permutation.Tested`.

    Parameters
    ----------
    name
        Name of the metric in language.csv.
    unit
        Its unit, such as ``fraction`` or ``bits``.
    label
        Its name in the report; by default, `name`.
    description
        Its definition in one line.
    less_is_better
        Whether low values are better than high values.
    report_row
        Position in the report's table; None if the metric is only in language.csv.
    """
    rows = {} if report_row is None else {"report_row": report_row}
    text = {"unit": unit, "label": label or name, "description": description}
    return _register("metric", name, {**text, "less_is_better": less_is_better, **rows})


def figure(name: str, *, title: str = "", caption: str = "") -> Callable[[Part], Part]:
    """Register a figure of each run, a function ``(part)`` of the pooled test results, or ``(results)`` of the run's.

    Parameters
    ----------
    name
        Name of the figure's files, ``<name>-<run>.svg`` and ``.pdf``.
    title
        Its heading in the report; by default, `name`.
    caption
        Explanation below the figure.
    """
    return _register("figure", name, {"title": title or name, "caption": caption})

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


def _decorator(kind: str) -> Callable[..., Callable[[Part], Part]]:
    """Return the decorator ``kind(name, **options)``."""

    def named(name: str, **options: Option) -> Callable[[Part], Part]:
        def register(part: Part) -> Part:
            PLUGINS.setdefault(kind, {})[name] = Plugin(part, options)
            return part

        return register

    return named


augmentation = _decorator("augmentation")
baseline = _decorator("baseline")
channel = _decorator("channel")
figure = _decorator("figure")
image_source = _decorator("image_source")
metric = _decorator("metric")
receiver = _decorator("receiver")
reward = _decorator("reward")
sender = _decorator("sender")

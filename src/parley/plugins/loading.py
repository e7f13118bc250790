"""Load plug-in files, and say in which of them an error arose."""

import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError
from parley.plugins import registry
from parley.plugins.kinds import EXAMPLES, KINDS
from parley.plugins.registry import Plugin

_loaded: dict[str, str] = {}
"""Absolute path of each loaded file → digest of its content."""
_names: dict[str, str] = {}
"""Absolute path of each loaded file → its path in the config."""


def load_plugins(paths: Iterable[str | Path]) -> None:
    """Load plug-in files, so that they register their parts. A file whose content is already loaded is not run again.

    Raises
    ------
    ParleyError
        If a file is missing, raises an error, or registers a class that lacks its base class or a method.
    """
    for path in paths:
        _load(str(path))


def loaded_files() -> list[str]:
    """Return the paths of the files that this process has loaded, as the config gives them."""
    return list(_names.values())


def plugin_parts_of(named: Mapping[str, Collection[str]]) -> list[str]:
    """Return those of the named parts that plug-ins have registered, such as ``channel noisy (my_parts.py)``.

    `named` are names by kind.
    """
    registered = [
        (f"{kind} {name}", getattr(registry.PLUGINS[kind][name].part, "__module__", ""))
        for kind, names in named.items()
        for name in names
        if name in registry.PLUGINS.get(kind, {})
    ]
    paths = {label: _names.get(str(getattr(sys.modules.get(module), "__file__", ""))) for label, module in registered}
    return [f"{label} ({path})" if path else label for label, path in paths.items()]


def cause_of(error: BaseException) -> str:
    """Return an unexpected error with its cause: the line of a plug-in, or a defect of Parley; without a full stop."""
    text = f"{type(error).__name__}: {error}".rstrip(".: ")
    if isinstance(error, SystemExit):
        text = f"{text}, but a plug-in must not end the program"
    if where := place_in_plugin(error):
        return f"{where}: {text}. This file is one of `plugins`"
    plugins = f", or of the plug-in {' or '.join(loaded_files())}" if _names else ""
    return f"{text}. This is a defect of Parley or of its environment{plugins}"


def place_in_plugin(error: BaseException) -> str:
    """Return the file, line and function of a plug-in in which an error arose; empty if it was in none."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if frame.filename in _names]
    if isinstance(error, SyntaxError) and error.filename in _names:
        return f"{_names[error.filename]}, line {error.lineno}"
    if not inside:
        return ""
    last = inside[-1]
    where = f"{_names[last.filename]}, line {last.lineno}"
    return where if last.name == "<module>" else f"{where}, in {last.name}"


def _load(path: str) -> None:
    file = str(Path(path).absolute())
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise ParleyError(
            f"The plug-in {path} cannot be read ({error.strerror}); put the file back, or correct its path under "
            "`plugins` in the config."
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if _loaded.get(file) == digest:
        return
    _names[file] = path
    name = f"parley_plugin_{hashlib.sha256(file.encode()).hexdigest()[:8]}_{Path(file).stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ParleyError(f"The plug-in {path} is not a Python file; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    # Pickle and dataclasses look a class's module up.
    sys.modules[name] = module
    before = {kind: dict(parts) for kind, parts in registry.PLUGINS.items()}
    try:
        # Not `spec.loader.exec_module`, which would read a cached file of an earlier content of the same second.
        exec(compile(content, file, "exec"), module.__dict__)  # noqa: S102 - the user's own file  # nosec B102
    except ParleyError:
        raise
    except (Exception, SystemExit) as error:
        raise ParleyError(f"{cause_of(error)}; correct it and run again.") from error
    for kind, parts in registry.PLUGINS.items():
        for part_name, plugin in parts.items():
            if before.get(kind, {}).get(part_name) is not plugin:
                _check(path, kind, part_name, plugin)
    _loaded[file] = digest


def _check(path: str, kind: str, name: str, plugin: Plugin) -> None:
    """Raise `ParleyError` if a class lacks its base class or a method, which reading the file may not have shown."""
    base = KINDS[kind].base
    words = kind.replace("_", " ")
    if not base:
        if not callable(plugin.part):
            raise ParleyError(f"{path}: the {words} {name!r} is not a function; {EXAMPLES} has an example.")
        return
    module, _, short = base.rpartition(".")
    wanted: Any = getattr(importlib.import_module(module), short)
    if not inspect.isclass(plugin.part) or not issubclass(plugin.part, wanted):
        raise ParleyError(f"{path}: the {words} {name!r} is not a subclass of {base}; {EXAMPLES} has an example.")
    if lacking := sorted(getattr(plugin.part, "__abstractmethods__", ())):
        raise ParleyError(
            f"{path}: the {words} {name!r} lacks the method {', '.join(lacking)}; {EXAMPLES} has an example."
        )

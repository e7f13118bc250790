"""Snakemake's logger plugin `parley`: Parley's view of a run on the terminal. Snakemake finds it by its name.

Snakemake loads its plugins before the Snakefile says which copy of Parley runs. Parley is therefore imported with the
first record that follows the Snakefile; earlier records wait.

Snakemake also reads the configs before that. This module checks them first, as Snakemake keeps the last of two equal
keys, and needs minutes, or ends with a traceback, for some files and some values of `--config`.
"""

import importlib.util
import io
import logging
import re
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from snakemake.common import configfile
from snakemake.exceptions import WorkflowError
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

if TYPE_CHECKING:
    from parley.runtime.view import View

_load_unchecked = configfile._load_configfile


def _load_checked(given: Any, filetype: str = "Config") -> Any:
    """Load a config as Snakemake does, but check it first; replaces a function of Snakemake."""
    if not isinstance(given, (str, Path)):
        return _load_unchecked(given, filetype)
    # `parley` itself must not be imported yet.
    path = Path(__file__).parents[1] / "parley" / "core" / "yaml_files.py"
    spec = importlib.util.spec_from_file_location("_parley_yaml_files", path)
    assert spec is not None
    assert spec.loader is not None
    yaml_files = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = yaml_files  # For its dataclass.
    spec.loader.exec_module(yaml_files)
    try:
        text = yaml_files.check_yaml(given)
    except yaml_files.YamlError as error:
        is_missing = isinstance(error.__cause__, FileNotFoundError)
        is_target = is_missing and Path(given).suffix not in (".yaml", ".yml", ".json")
        hint = " If it is a target, write it before --configfile." if is_target else ""
        raise WorkflowError(f"{error}{hint}") from None
    try:
        loaded = _load_unchecked(io.StringIO(text), filetype)
    except (WorkflowError, ValueError) as error:  # ValueError: such as a date with month 13.
        raise WorkflowError(yaml_files.syntax_problem(given, error, text)) from None
    if not isinstance(loaded, dict):
        raise WorkflowError(f"{given} has no settings; write lines such as `experiment: mine`.")
    return loaded


configfile._load_configfile = _load_checked


def _parse_checked(entries: Any) -> Any:
    """Parse the entries of `--config` as Snakemake does, but check them first; replaces a function of Snakemake."""
    for entry in entries or ():
        key, equals, value = entry.partition("=")
        section, _, name = key.partition(".")
        if not equals:
            raise WorkflowError(
                f"--config: {entry} has no value; write key=value. If it is a target, write it before --config."
            )
        if section.isidentifier() and name.isidentifier():
            raise WorkflowError(f"--config: write --config '{section}={{{name}: {value}}}' instead of {entry}.")
        if not re.fullmatch(r"[a-zA-Z_][\w-]*\w", key):
            raise WorkflowError(f"--config: {key or '(nothing)'} is not a key; write key=value, such as seeds=[1,2].")
    return _parse_unchecked(entries)


_command_line: Any = sys.modules.get("snakemake.cli")
if hasattr(_command_line, "parse_config"):
    _parse_unchecked = _command_line.parse_config
    _command_line.parse_config = _parse_checked


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """Settings of the plugin, as Snakemake's command line offers them."""

    full: bool = field(
        default=False,
        metadata={"help": "Print Snakemake's full log, with every job, instead of Parley's line for each stage."},
    )


class LogHandler(LogHandlerBase):
    """Handler of Snakemake's log that shows it as `parley.runtime.view` does.

    Attributes
    ----------
    summarises
        Whether stages are shown instead of jobs; false if the options ask for more than that, or for less.
    interrupted
        Whether Ctrl-C is ending the jobs, so that they do not count as failed.
    """

    def __post_init__(self) -> None:
        options, quiet = self.common_settings, set(self.common_settings.quiet or ())
        less = quiet & {Quietness.ALL, Quietness.RULES, Quietness.PROGRESS}
        more = options.verbose or options.debug_dag or options.printshellcmds or Quietness.REASON not in quiet
        self.summarises = not (less or more or getattr(self.settings, "full", False))
        self.interrupted = False
        self._early: list[logging.LogRecord] = []
        self._view: View | None = None
        sys.excepthook = _say_interrupted
        setattr(logging.FileHandler, "handleError", _say_unwritable)  # noqa: B010 - mypy refuses an assignment

    @property
    def view(self) -> "View":
        """The view, which is made when it is first needed."""
        if self._view is None:
            from parley.runtime.view import View

            self._view = View(self)
        return self._view

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record of Snakemake's log."""
        self._early.append(record)
        if "parley" in sys.modules or record.levelno > logging.INFO:
            self._show_early()

    def close(self) -> None:
        """Show the delayed messages, and end the view."""
        self._show_early()
        if self._view is not None:
            self._view.finish()
        super().close()

    def _show_early(self) -> None:
        while self._early:
            record = self._early.pop(0)
            try:
                self.view.show(record)
            except SystemExit:  # Rich's, once nobody reads the output. It would end a thread that Snakemake waits for.
                continue
            except Exception:  # noqa: BLE001 - no error of the view may end the run; logging prints it
                self.handleError(record)

    @property
    def writes_to_stream(self) -> bool:
        """Whether the handler writes to the terminal; Snakemake's own then does not."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Whether the handler writes to a file."""
        return False

    @property
    def has_filter(self) -> bool:
        """Whether Snakemake leaves out its own filter."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Whether Snakemake leaves out its own formatter."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """Whether the handler needs the graph of all rules."""
        return False


def _say_unwritable(handler: logging.FileHandler, record: logging.LogRecord) -> None:
    """Print once, instead of a traceback for each line, that Snakemake's log file cannot be written."""
    error = sys.exc_info()[1]
    if not isinstance(error, OSError):
        logging.Handler.handleError(handler, record)
    elif not getattr(handler, "is_reported", False):
        handler.is_reported = True  # type: ignore[attr-defined]
        sys.stderr.write(f"{handler.baseFilename} cannot be written ({error.strerror}); free disk space.\n")


def _say_interrupted(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an exception that ends Snakemake; for Ctrl-C outside of the jobs, print a sentence."""
    if issubclass(kind, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Another Ctrl-C would only interrupt the removal of files.
        sys.stderr.write("Interrupted while no job was running; run the same command again to continue.\n")
    else:
        sys.__excepthook__(kind, error, trace)

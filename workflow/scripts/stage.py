"""Code shared by all rule scripts: the import path, logging, the record of the job, and error messages."""

import contextlib
import gc
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Imports leave no garbage, and looking for it takes a tenth of their time. `stage` enables garbage collection again.
gc.disable()

# Parley is not installed in the environments created by --sdm conda: its sources are next to the workflow or, if it is
# installed as a package, around it, where other packages must not replace those of the environment.
PROJECT = Path(__file__).resolve().parents[2]
if (PROJECT / "src").is_dir():
    sys.path.insert(0, str(PROJECT / "src"))
else:
    sys.path.append(str(PROJECT.parents[1]))

from parley.core.errors import ParleyError
from parley.core.formats import printable
from parley.core.progress import SHOWN, identity_of, share_terminal
from parley.plugins.loading import cause_of, load_plugins, loaded_files, place_in_plugin
from parley.provenance.hashing import check_undamaged
from parley.provenance.job import TrackedConfig, record_job
from parley.provenance.records import PLUGINS
from parley.runtime.run_lock import register_job


class _Literal(logging.Formatter):
    """Formatter that escapes control characters and invalid text, as in names from hostile archives."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _LogFile(logging.FileHandler):
    """Handler of a job's log that writes to the terminal once the log cannot be written, as on a full disk."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - a method of logging
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        logging.root.removeHandler(self)
        if not any(type(handler) is logging.StreamHandler for handler in logging.root.handlers):
            to_terminal = logging.StreamHandler()
            to_terminal.setFormatter(self.formatter)
            logging.root.addHandler(to_terminal)
            to_terminal.handle(record)
        logging.getLogger("parley").error(_UNWRITABLE, self.baseFilename, error.strerror)


_UNWRITABLE = "The log %s cannot be written (%s); free disk space. The terminal shows the rest of it."


@contextlib.contextmanager
def stage(snakemake: Any) -> Iterator[logging.Logger]:
    """Run a script's body. Log to the rule's log file, and to the terminal unless `parley.runtime.view` uses it.

    If the body succeeds, the job's inputs, outputs and params are recorded (`parley.provenance`). The job fails if an
    input has changed since another stage wrote it. A `ParleyError` ends the job with its findings as error messages,
    without a traceback. Any other exception is a defect: its traceback goes to the log, and a message names the log.
    """
    _enable_garbage_collection()
    path = Path(snakemake.log[0])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        to_file = _LogFile(path, mode="w", encoding="utf-8")
    except OSError as error:
        sys.exit(f"{snakemake.rule}: {path} cannot be written ({error.strerror}); free disk space and run again.")
    to_file.setFormatter(_Literal("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    to_terminal = logging.StreamHandler()
    to_terminal.setFormatter(_Literal(f"{snakemake.rule}: %(message)s"))
    # force=True, because the preamble that Snakemake adds to scripts has already added a handler to the root logger.
    handlers = [to_file] if os.environ.get(SHOWN) == identity_of(2) else [to_file, to_terminal]
    logging.basicConfig(level=logging.WARNING, handlers=handlers, force=True)
    logging.captureWarnings(True)
    logger = logging.getLogger("parley")
    logger.setLevel(logging.INFO)
    share_terminal()
    _tell_once_of_tidying(logger)
    snakemake.config = TrackedConfig(snakemake.config)
    try:
        with contextlib.closing(register_job(snakemake.rule, snakemake.output)):
            check_undamaged(snakemake.input)
            load_plugins(plugin_parts(snakemake))
            yield logger
            record_job(
                snakemake.rule,
                _named(snakemake.wildcards),
                _files(snakemake.input) | ({PLUGINS: loaded_files()} if loaded_files() else {}),
                _files(snakemake.output),
                _named(snakemake.params),
                snakemake.config.read_sections(),
                snakemake.threads,
                sys.modules["__main__"].__file__,
            )
    except ParleyError as error:
        for finding in error.findings:
            logger.error(finding)
        sys.exit(1)
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and not place_in_plugin(error):
            raise
        to_terminal.setLevel(logging.CRITICAL)
        # Not as an error, because the errors in the log are shown to the user.
        logger.info("Traceback of the error that ended the job:", exc_info=True)
        to_terminal.setLevel(logging.INFO)
        logger.error("%s; the traceback is in %s.", cause_of(error), path)
        sys.exit(1)


def plugin_parts(snakemake: Any) -> dict[str, dict[str, str]]:
    """Return the parts of plug-ins that the job uses: for each file, their digests."""
    # Not by [], which would add them to the sections of the config that the job's record lists.
    of_scripts = snakemake.config.get("plugin_parts")
    if not of_scripts:
        return {}
    by_run = of_scripts.get(Path(sys.modules["__main__"].__file__).stem, {})
    return by_run.get(getattr(snakemake.wildcards, "run", ""), by_run.get("", {}))


def _enable_garbage_collection() -> None:
    """Collect garbage from now on, but not among the imported objects, which takes half a second when the job exits."""
    if "triton" not in sys.modules:  # Triton reports objects that are not collected as leaks.
        gc.freeze()
    gc.enable()


def _named(values: Any) -> dict[str, Any]:
    return dict(values.items())


def _files(values: Any) -> dict[str, list[str]]:
    """Return a job's files as lists, by name. A single file becomes a list of one."""
    return {name: [one] if isinstance(one, str) else list(one) for name, one in values.items()}


def _tell_once_of_tidying(logger: logging.Logger) -> None:
    """Log errors raised during the destruction of objects as single lines, without tracebacks or repetition.

    Such errors follow from the error that ends the job: on a full disk, HDF5 fails again for every object that is still
    open. Compiled code passes such errors to `sys.excepthook`, too. This hook gets no other errors, because `stage`
    catches all other exceptions.
    """
    told: set[str] = set()

    def tell(error: BaseException | None) -> None:
        line = str(error).partition(": time")[0].partition("\n")[0]
        if line not in told:
            told.add(line)
            logger.warning("While releasing resources: %s", line)

    sys.unraisablehook = lambda trouble: tell(trouble.exc_value)
    sys.excepthook = lambda kind, error, trace: tell(error)

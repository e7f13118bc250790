"""What every script of a rule shares: src/ on the path, a log, a record, and errors told in sentences."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Environments that --sdm conda makes do not have Parley installed; its sources lie beside the workflow.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from parley.core.errors import ParleyError
from parley.core.progress import share_terminal
from parley.provenance.hashing import check_undamaged
from parley.provenance.job import TrackedConfig, record_job
from parley.runtime.run_lock import register_job


@contextlib.contextmanager
def stage(snakemake: Any) -> Iterator[logging.Logger]:
    """Run a script's body with messages going to the terminal and to the rule's log.

    A body that ends well leaves a record of what was made of what (`parley.provenance`).
    Inputs that a disk or a copy damaged since another stage made them are refused.
    A `ParleyError` ends the job with its sentences and no traceback. Anything else is a defect:
    its traceback goes to the log, and a sentence says where that is.
    """
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    to_file = logging.FileHandler(path, mode="w", encoding="utf-8")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    to_terminal = logging.StreamHandler()
    to_terminal.setFormatter(logging.Formatter(f"{snakemake.rule}: %(message)s"))
    # force: Snakemake's preamble has set up its own root handler by importing itself.
    logging.basicConfig(level=logging.WARNING, handlers=[to_file, to_terminal], force=True)
    logging.captureWarnings(True)
    logger = logging.getLogger("parley")
    logger.setLevel(logging.INFO)
    share_terminal()
    _tell_once_of_tidying(logger)
    snakemake.config = TrackedConfig(snakemake.config)
    try:
        with contextlib.closing(register_job(snakemake.rule, snakemake.output)):
            check_undamaged(snakemake.input)
            yield logger
            record_job(
                snakemake.rule,
                _named(snakemake.wildcards),
                _files(snakemake.input),
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
    except Exception as error:
        to_terminal.setLevel(logging.CRITICAL)
        logger.exception("Unexpected")
        to_terminal.setLevel(logging.INFO)
        logger.error(
            "%s: %s. This is a defect of Parley or of its environment; the traceback is in %s.",
            type(error).__name__,
            error,
            path,
        )
        sys.exit(1)


def _named(values: Any) -> dict[str, Any]:
    return dict(values.items())


def _files(values: Any) -> dict[str, list[str]]:
    """Return a job's files by name; one alone is a list of one."""
    return {name: [one] if isinstance(one, str) else list(one) for name, one in values.items()}


def _tell_once_of_tidying(logger: logging.Logger) -> None:
    """Have what goes wrong as objects are let go told in a line, not in a traceback each.

    It follows from what ends the job anyway: on a full disk HDF5 fails once more for every object that it still
    holds. What is compiled hands such errors first to the hook of uncaught ones, of which a script under `stage` has
    no others.
    """
    told: set[str] = set()

    def tell(error: BaseException | None) -> None:
        line = str(error).partition(": time")[0].partition("\n")[0]
        if line not in told:
            told.add(line)
            logger.warning("While tidying up: %s", line)

    sys.unraisablehook = lambda trouble: tell(trouble.exc_value)
    sys.excepthook = lambda kind, error, trace: tell(error)

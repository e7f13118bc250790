"""Snakemake hooks. Only this module, `view` and `parley.status.dry_run` use Snakemake; this one patches some of it.

The Snakefile's ``onstart``, ``onsuccess`` and ``onerror`` call `start`, `succeed` and `fail`. The scripts of the rules
do not import this module.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from snakemake.dag import DAG
from snakemake.exceptions import WorkflowError
from snakemake.executors.local import Executor as LocalExecutor
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod, Quietness

from parley.core.errors import ParleyError, did_you_mean
from parley.core.files import remove_all_leftovers
from parley.core.formats import base_of
from parley.core.progress import SHOWN, identity_of
from parley.runtime.code_digest import BOOK, Sources, save_parts, stage_parts
from parley.runtime.job_failures import FailedJob, FailureLog, config_lines, failure_lines, interruption_lines
from parley.runtime.run_lock import acquire
from snakemake_logger_plugin_parley import LogHandler

TESTED_SNAKEMAKE = "9.27."
"""Prefix of the tested Snakemake versions. Other versions are not patched."""
TESTED_S3_PLUGIN = "0.3.6"
"""Tested version of the S3 plugin. `_forget_missing_folders` is called only for this version."""
_failures = FailureLog()
_original_update = DAG.update_needrun
_interrupted = threading.Event()

Workflow = Any  # Snakemake's class; some of the attributes used here are not documented.


def name_groups(workflow: Workflow) -> None:
    """Let `--until`, `--omit-from`, `--forcerun` and targets select the rules of all groups by their common name.

    Each group of classes or seeds has its own rule, such as `extract_features_0000`, because the files of a group do
    not follow a pattern. The name `extract_features` selects all of these rules. Snakemake sets the options only after
    it has read the Snakefile, so the names are replaced when `_prepare_dag` is called.

    A name that is neither a rule nor a file gets a suggestion.
    """
    if not version("snakemake").startswith(TESTED_SNAKEMAKE):
        return
    prepare = workflow._prepare_dag

    def prepare_with_names(*args: Any, **kwargs: Any) -> None:
        names, settings = [rule.name for rule in workflow.rules], workflow.dag_settings
        findings: list[str] = []
        for option in ("until", "omit_from", "forcerun", "targets"):
            given = _with_groups(getattr(settings, option), names)
            findings += _misspelt([name for name in given if name not in names], workflow.rules)
            setattr(settings, option, given)
        if findings:
            raise WorkflowError(*findings)
        prepare(*args, **kwargs)

    workflow._prepare_dag = prepare_with_names


def _misspelt(names: Sequence[str], rules: Iterable[Any]) -> list[str]:
    """Return an error message for each name that is neither a file nor an output, unless it is like no output."""
    if not names:
        return []
    rules = list(rules)
    stages = {base_of(rule.name) for rule in rules}
    outputs = {str(path) for rule in rules for path in rule.output}
    findings = []
    for name in names:
        if not Path(name).exists() and not any(rule.is_producer(name) for rule in rules):
            listed = "" if {"/", "."} & set(name) else "`uv run snakemake --list-target-rules` lists them."
            hint = did_you_mean(name, (_filled(path, name) for path in outputs) if "/" in name else stages, listed)
            findings += [f"There is no target {name}; {hint}"] if hint else []
    return findings


def _filled(output: str, name: str) -> str:
    """Return an output whose wildcards in names of folders are replaced by the folders of a path of the same depth."""
    steps, given = output.split("/"), name.split("/")
    if len(steps) != len(given):
        return output
    folders = (one if step.startswith("{") else step for step, one in zip(steps[:-1], given[:-1], strict=True))
    return "/".join([*folders, steps[-1]])


def check_dry_runs(workflow: Workflow, check: Callable[..., list[str]]) -> None:
    """Check the inputs in a dry run too, for which Snakemake does not call ``onstart``; `check` is that of `start`."""
    if not version("snakemake").startswith(TESTED_SNAKEMAKE):
        return
    build = workflow._build_dag

    def build_and_check() -> None:
        build()
        if workflow.executor_plugin is not None and workflow.dryrun:
            workflow.dag.cleanup()  # Remove the jobs that `--until` and `--omit-from` exclude.
            _check(workflow, check, fetch=False)

    workflow._build_dag = build_and_check


def check_after_ancient_inputs() -> None:
    """Make Snakemake notice a changed job although an earlier job runs too, if only ancient inputs lie between them.

    Version 9.27 does not check the jobs after one that runs, because they will run as well. After an ancient input,
    however, they do not: without this patch, an update of Parley would need two calls to rerun everything.
    """
    if version("snakemake").startswith(TESTED_SNAKEMAKE):
        DAG.update_needrun = _update_needrun


async def _update_needrun(dag: Any, *args: Any, **options: Any) -> None:
    dag.bfs = partial(_without_ancient, dag.depending)
    try:
        await _original_update(dag, *args, **options)
    finally:
        del dag.bfs


def _without_ancient(depending: Mapping[Any, Mapping[Any, Any]], _: Any, *jobs: Any) -> Iterator[Any]:
    """Yield jobs, and all that depend on them by an input that is not ancient; replaces `DAG.bfs`."""
    waiting, seen = list(jobs), set(jobs)
    while waiting:
        yield (job := waiting.pop())
        after = {one for one, files in depending[job].items() if not all(file.is_ancient for file in files)}
        waiting += after - seen
        seen |= after


def _check(workflow: Workflow, check: Callable[..., list[str]], **options: bool) -> list[Any]:
    """Return the jobs about to run. Raise `WorkflowError` if their inputs are missing or invalid."""
    jobs = list(workflow.dag.needrun_jobs())
    apart = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    if findings := check({job.rule.name for job in jobs}, own_environments=apart, **options):
        raise WorkflowError(*findings, *config_lines(findings, workflow.config_settings.configfiles))
    return jobs


def _with_groups(given: Collection[str], rules: Sequence[str]) -> list[str]:
    """Replace each name that stands for several rules, one per job group, by these rules; keep any other name."""
    expanded = []
    for name in given:
        group = [] if name in rules else [rule for rule in rules if base_of(rule) == name]
        expanded += group or [name]
    return expanded


def start(
    workflow: Workflow,
    check: Callable[..., list[str]],
    stages: Mapping[Path, str],
    sources: Sources,
    caches: Iterable[Path],
    introduce: Callable[[set[str]], Iterable[str]] = lambda stages: (),
) -> None:
    """Check the inputs, lock the outputs and remove temporary files, before the first job starts.

    Parameters
    ----------
    workflow
        The Snakemake workflow object.
    check
        Function that takes the names of the rules about to run, and the keyword argument `own_environments` (whether
        jobs run in separate environments). It returns one error message for each unavailable input.
    stages
        Digest of the code of each script.
    sources
        Source files from which the digests were computed.
    caches
        Folders, other than those of the outputs, in which killed jobs may have left temporary files.
    introduce
        Function that takes the names of the rules about to run, and returns lines to print before the first job.

    Raises
    ------
    WorkflowError
        If an input is missing or another run uses the same files.
    """
    jobs = _check(workflow, check)
    _lock(workflow, jobs, caches)
    _save_digests(stages, sources)
    logger.addHandler(_failures)
    if any(plugin.summarises for plugin in _plugins(workflow)):
        os.environ[SHOWN] = identity_of(2)
    if version("snakemake").startswith(TESTED_SNAKEMAKE):
        _select_jobs_only_when_one_finishes(workflow)
        _end_jobs_gently(workflow)
    for sentence in _untested_versions(workflow):
        logger.warning(sentence)
    for line in introduce({job.rule.name for job in jobs}):
        logger.info(line)


def succeed(workflow: Workflow, needed: Iterable[str], print_summary: Callable[[Any], None]) -> None:
    """Print the summary of results at the end of a successful run.

    Parameters
    ----------
    workflow
        The Snakemake workflow object.
    needed
        Files that the summary uses. Nothing is printed unless all of them are outputs of this run's jobs, because
        files on disk may belong to another config.
    print_summary
        Function that prints the summary on a console.
    """
    made = {path for job in workflow.dag.jobs for path in job.output}
    if made.issuperset(needed):
        _print_at_exit(workflow, print_summary)


def fail(workflow: Workflow) -> None:
    """Print why jobs failed and the paths of their logs; after Ctrl-C, which running jobs are saved."""
    scheduler, interrupted = workflow.scheduler, _interrupted.is_set()
    # The scheduler lists a group of jobs as a single entry.
    groups = [one if one.is_group() else [one] for one in (scheduler.running if interrupted else scheduler.failed)]
    failed = []
    for job in (job for group in groups for job in group):
        log = str(next(iter(job.log), ""))
        why = _failures.error_of(job.jobid, log) if interrupted else _failures.why(job.jobid, job.rule.name, log)
        failed.append(FailedJob(" ".join([job.rule.name, *map(str, job.wildcards)]), log, why or ""))
    failed.sort()

    def print_failures(on: Any) -> None:
        from parley.core.terminal import literal

        configs = workflow.config_settings.configfiles
        for line in interruption_lines(failed) if interrupted else failure_lines(failed, configs):
            on.print(literal(line, "" if interrupted else "red"), soft_wrap=True)

    _print_at_exit(workflow, print_failures)


def shares_disk(workflow: Workflow) -> bool:
    """Return whether outputs are on a shared disk, not in an object store, where job records cannot be stored.

    If outputs are in S3, the function also patches Snakemake's S3 plugin, provided that it has the tested version.
    """
    provider = workflow.storage_settings.default_storage_provider
    if provider == "s3" and version("snakemake-storage-plugin-s3") == TESTED_S3_PLUGIN:
        _forget_missing_folders()
    return not provider


def _untested_versions(workflow: Workflow) -> Iterator[str]:
    """Yield a warning for each package whose version is not the tested one, and which is therefore not patched."""
    found = version("snakemake")
    if not found.startswith(TESTED_SNAKEMAKE):
        yield (
            f"Snakemake {found} is not patched, because Parley is tested with {TESTED_SNAKEMAKE}*. With hundreds of "
            "waiting jobs, Snakemake may use half of a CPU core. After a change of code, a second call may be needed. "
            "`--until`, `--omit-from`, `--forcerun` and targets "
            "need the full name of a group's rule, such as extract_features_0000. Results are the same."
        )
    if workflow.storage_settings.default_storage_provider != "s3":
        return
    found = version("snakemake-storage-plugin-s3")
    if found != TESTED_S3_PLUGIN:
        yield (
            f"snakemake-storage-plugin-s3 {found} is not patched, because Parley is tested with {TESTED_S3_PLUGIN}. "
            "The run may stop when a retried job creates a missing folder. If this happens, start the run again."
        )


def _lock(workflow: Workflow, jobs: Iterable[Any], caches: Iterable[Path]) -> None:
    """Lock the jobs' files against other runs until this process ends; remove temporary files of killed processes."""
    read = {str(path) for job in workflow.dag.jobs for path in job.input}
    written = {str(path) for job in jobs for path in job.output}
    try:
        lock, alone = acquire("snakemake", read, written)
    except ParleyError as error:
        raise WorkflowError(*error.findings) from None
    atexit.register(lock.close)
    if alone:
        remove_all_leftovers({*(Path(path).parent for path in written), *caches})


def _save_digests(stages: Mapping[Path, str], sources: Sources) -> None:
    """Save the digests of each stage's modules, so that `parley status` can name the modules that changed."""
    try:
        save_parts(BOOK, {digest: stage_parts(path, sources) for path, digest in stages.items()})
    except OSError as error:
        sys.stderr.write(f"{BOOK} cannot be written: {error}\n")


def _select_jobs_only_when_one_finishes(workflow: Workflow) -> None:
    """Make Snakemake select the next jobs when a job finishes, and no longer once a second.

    To limit the number of jobs started per second, version 9.27 examines all waiting jobs again one second after each
    selection, and each finished job starts another series of such selections. With 300 waiting jobs, this uses half of
    a CPU core (benchmarks/waiting_jobs.py).
    """
    workflow.scheduler.job_rate_limiter = None


def _end_jobs_gently(workflow: Workflow) -> None:
    """Make Ctrl-C end the jobs by SIGTERM, upon which a training saves itself; a second Ctrl-C kills them.

    A terminal sends SIGINT to all processes, and a job may get it anywhere, such as in an import. The threads that
    start the jobs therefore block SIGINT, which the jobs inherit.
    """
    in_main = threading.current_thread() is threading.main_thread()  # Only the main thread can set signal handlers.
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # Or it is ignored.
        return
    local = workflow.scheduler._local_executor or workflow.scheduler._executor
    if not isinstance(local, LocalExecutor):  # With --touch, nothing is run.
        return
    blocked = (signal.SIG_BLOCK, {signal.SIGINT})
    local.pool = ThreadPoolExecutor(local.workers, initializer=signal.pthread_sigmask, initargs=blocked)

    def interrupt(*_: Any) -> None:
        again = _interrupted.is_set()
        _interrupted.set()
        for plugin in _plugins(workflow):
            plugin.interrupted = True
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if process.name() != "bash":  # A shell ends with its job.
                    process.kill() if again else process.terminate()
        if not again:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)


def _plugins(workflow: Workflow) -> list[LogHandler]:
    return [handler for handler in workflow.logger_manager.plugin_handlers if isinstance(handler, LogHandler)]


def _forget_missing_folders() -> None:
    """Make the S3 plugin check again whether a folder exists if the folder was missing before.

    Version 0.3.6 caches that a folder is missing. Without the patch, the whole run may stop when a retried job
    creates the folder.
    """
    from snakemake_storage_plugin_s3 import StorageObject

    known = StorageObject.exists

    def exists(self: Any) -> bool:
        if not self._is_dir:
            self._is_dir = None
        return bool(known(self))

    StorageObject.exists = exists


def _print_at_exit(workflow: Workflow, show: Callable[[Any], None]) -> None:
    """Call `show` with the terminal's console after the last job. An error in `show` does not make the run fail."""
    if Quietness.ALL in workflow.output_settings.quiet:
        return
    try:
        # Imported here, so that an error in the import cannot make the run fail.
        from parley.core.terminal import console

        for plugin in _plugins(workflow):
            workflow.logger_manager.queue_listener.queue.join()
            plugin.view.finish()
        show(console(sys.stderr, colour=not workflow.output_settings.nocolor))
    except Exception as error:  # noqa: BLE001 - no error may change the outcome of the run
        sys.stderr.write(f"The results cannot be shown here: {type(error).__name__}: {error}\n")

"""Snakemake hooks that run before the first job and after the last one.

The Snakefile's ``onstart``, ``onsuccess`` and ``onerror`` call `start`, `succeed` and `fail`. The scripts of the rules
do not import this module. Only this module, `interrupts`, `snakemake_patches`, `view` and `parley.status.dry_run` use
Snakemake.
"""

import atexit
import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod, Quietness

from parley.core.errors import ParleyError
from parley.core.failures import failed_runs
from parley.core.file_names import length_problems
from parley.core.files import remove_all_leftovers
from parley.core.progress import SHOWN, identity_of
from parley.runtime.code_digest import BOOK, Sources, save_parts, stage_parts
from parley.runtime.interrupts import interrupted, terminate_jobs_on_ctrl_c, view_plugins
from parley.runtime.job_failures import FailedJob, FailureLog, context_lines, failure_lines, interruption_lines
from parley.runtime.run_lock import acquire
from parley.runtime.snakemake_patches import (
    Workflow,
    fall_back_to_greedy_scheduler,
    is_tested_version,
    select_jobs_when_one_finishes,
    untested_versions,
)
from parley.runtime.start_checks import date_problems, temporary_folders, write_problems

ALL_FAILED = 3
"""Exit status of Snakemake if every seed failed in training."""
DERIVED = ("evaluation.smk", "analysis.smk", "report.smk", "export.smk")
"""Rule files. Outputs of their jobs are removed at the start of a run that makes them again."""
_failures = FailureLog()
"""Snakemake's log records about the jobs of this process's run."""


def check_dry_runs(workflow: Workflow, check: Callable[..., list[str]]) -> None:
    """Check the inputs in a dry run too, for which Snakemake does not call ``onstart``; `check` is that of `start`."""
    if not is_tested_version():
        return
    build = workflow._build_dag

    def build_and_check() -> None:
        build()
        if workflow.executor_plugin is not None and workflow.dryrun:
            workflow.dag.cleanup()  # Remove the jobs that `--until` and `--omit-from` exclude.
            _check(workflow, check, fetch=False)

    workflow._build_dag = build_and_check


def _check(workflow: Workflow, check: Callable[..., list[str]], **options: bool) -> list[Any]:
    """Return the jobs about to run. Raise `WorkflowError` if their inputs are missing or invalid."""
    jobs = list(workflow.dag.needrun_jobs())
    apart = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    made = {path for job in jobs for path in job.output}
    findings = date_problems({path for job in jobs for path in job.input} - made)
    findings += length_problems(made.union(*(job.log for job in jobs)))
    if findings := findings + check({job.rule.name for job in jobs}, own_environments=apart, **options):
        raise refusal(workflow, findings)
    return jobs


def start(
    workflow: Workflow,
    check: Callable[..., list[str]],
    digests: Mapping[str, tuple[Path, Mapping[str, str]]],
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
    digests
        Each digest of code → the path of the script, and the digests of the parts of plug-ins that it uses.
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
    if problems := write_problems([*temporary_folders(), ".snakemake", *_result_folders(workflow)]):
        raise refusal(workflow, problems)
    jobs = _check(workflow, check)
    _lock(workflow, jobs, caches)
    _save_digests(digests, sources)
    logger.addHandler(_failures)
    if any(plugin.summarises for plugin in view_plugins(workflow)):
        os.environ[SHOWN] = identity_of(2)
    if is_tested_version():
        select_jobs_when_one_finishes(workflow)
        fall_back_to_greedy_scheduler()
        if not workflow.touch:
            workflow.async_run(_remove_outdated(jobs))
        terminate_jobs_on_ctrl_c(workflow)
    for sentence in untested_versions(workflow):
        logger.warning(sentence)
    for line in introduce({job.rule.name for job in jobs}):
        logger.info(line)


def _result_folders(workflow: Workflow) -> set[Path]:
    """Return the folder of the experiment's logs, and the folder that contains it."""
    logs = {Path(*Path(str(log)).parts[:3]) for job in workflow.dag.needrun_jobs() for log in job.log}
    return logs | {path.parent for path in logs}


async def _remove_outdated(jobs: Iterable[Any]) -> None:
    """Remove the old evaluations, messages, tables and pages that this run's jobs will make again.

    A run that fails then leaves none of an earlier config. Models, features and images remain until their jobs start.
    """
    for job in jobs:
        if Path(job.rule.snakefile).name in DERIVED:
            for path in job.output:
                with contextlib.suppress(FileNotFoundError):
                    await path.remove()


def exit_if_every_seed_failed(workflow: Workflow) -> None:
    """Make Snakemake exit with `ALL_FAILED` if all trainings of the target failed, even if nothing is to be done."""
    if not is_tested_version():
        return
    execute = workflow.execute

    def execute_and_exit(*args: Any, **options: Any) -> None:
        execute(*args, **options)
        if workflow.dryrun or not workflow.is_main_process:
            return
        trained = {path for job in workflow.dag.jobs for path in job.output if Path(path).name == "metrics.jsonl"}
        failed = failed_runs(trained)
        if failed and len(failed) == len(trained):
            folder, why = min(failed.items())
            line = f"Every seed failed in training ({len(failed)}), such as {folder}: {why} Exit status {ALL_FAILED}."
            _print_at_exit(workflow, lambda on: _print_lines(on, [line], "red"))
            sys.exit(ALL_FAILED)

    workflow.execute = execute_and_exit


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
    scheduler, was_interrupted = workflow.scheduler, interrupted.is_set()
    # The scheduler lists a group of jobs as a single entry.
    groups = [one if one.is_group() else [one] for one in (scheduler.running if was_interrupted else scheduler.failed)]
    failed = []
    for job in (job for group in groups for job in group):
        log = str(next(iter(job.log), ""))
        why = _failures.error_of(job.jobid, log) if was_interrupted else _failures.why(job.jobid, job.rule.name, log)
        failed.append(FailedJob(" ".join([job.rule.name, *map(str, job.wildcards)]), log, why or ""))
    failed.sort()

    configs = workflow.config_settings.configfiles
    lines = interruption_lines(failed) if was_interrupted else failure_lines(failed, configs, _folder(workflow))
    _print_at_exit(workflow, lambda on: _print_lines(on, lines, "" if was_interrupted else "red"))


def refusal(workflow: Workflow, findings: list[str]) -> WorkflowError:
    """Return an error with messages, and with the folder and options that their paths and commands need."""
    return WorkflowError(*findings, *context_lines(findings, workflow.config_settings.configfiles, _folder(workflow)))


def _folder(workflow: Workflow) -> str:
    return str(Path.cwd()) if workflow.overwrite_workdir else ""


def _print_lines(on: Any, lines: Iterable[str], style: str) -> None:
    # Imported here, so that an error in the import cannot make the run fail.
    from parley.core.terminal import literal

    for line in lines:
        on.print(literal(line, style), soft_wrap=True)


def _lock(workflow: Workflow, jobs: Iterable[Any], caches: Iterable[Path]) -> None:
    """Lock the jobs' files against other runs until this process ends; remove temporary files of killed processes."""
    read = {str(path) for job in workflow.dag.jobs for path in job.input}
    written = {str(path) for job in jobs for path in job.output}
    try:
        lock, alone = acquire("snakemake", read, written)
    except ParleyError as error:
        raise refusal(workflow, error.findings) from None
    atexit.register(lock.close)
    if alone:
        remove_all_leftovers({*(Path(path).parent for path in written), *caches})


def _save_digests(digests: Mapping[str, tuple[Path, Mapping[str, str]]], sources: Sources) -> None:
    """Save the digests of each stage's modules, so that `parley status` can name the modules that changed."""
    try:
        save_parts(BOOK, {digest: {**stage_parts(path, sources), **parts} for digest, (path, parts) in digests.items()})
    except OSError as error:
        sys.stderr.write(f"{BOOK} cannot be written: {error}\n")


def _print_at_exit(workflow: Workflow, show: Callable[[Any], None]) -> None:
    """Call `show` with the terminal's console after the last job. An error in `show` does not make the run fail."""
    if Quietness.ALL in workflow.output_settings.quiet:
        return
    try:
        # Imported here, so that an error in the import cannot make the run fail.
        from parley.core.terminal import console

        for plugin in view_plugins(workflow):
            workflow.logger_manager.queue_listener.queue.join()
            plugin.view.finish()
        show(console(sys.stderr, colour=not workflow.output_settings.nocolor))
    except SystemExit:  # Rich's, if nobody reads the output any more.
        return
    except Exception as error:  # noqa: BLE001 - no error may change the outcome of the run
        sys.stderr.write(f"The results cannot be shown here: {type(error).__name__}: {error}\n")

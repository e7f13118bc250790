"""Patches of Snakemake and of its S3 plugin. Only the tested versions are patched."""

import shlex
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from snakemake.dag import DAG
from snakemake.exceptions import WorkflowError
from snakemake.executors.local import RealExecutor
from snakemake.script import PythonScript, ScriptBase

from parley.core.errors import did_you_mean
from parley.core.formats import base_of

Workflow = Any  # Snakemake's class; some of the attributes used here are not documented.
TESTED_SNAKEMAKE = "9.27."
"""Prefix of the tested Snakemake versions. Other versions are not patched."""
TESTED_S3_PLUGIN = "0.3.6"
"""Tested version of the S3 plugin. `_forget_missing_folders` is called only for this version."""
_update_needrun_of_snakemake = DAG.update_needrun
_in_until_of_snakemake = DAG.in_until
_format_job_exec_of_snakemake = RealExecutor.format_job_exec
_arguments: Any = import_module("snakemake_interface_executor_plugins.utils")
_format_cli_value_of_snakemake = _arguments.format_cli_value


def is_tested_version() -> bool:
    """Return whether the installed Snakemake is patched."""
    return version("snakemake").startswith(TESTED_SNAKEMAKE)


def name_groups(workflow: Workflow) -> None:
    """Let `--until`, `--omit-from`, `--forcerun`, `--groups` and targets select all groups' rules by their common name.

    Each group of classes or seeds has its own rule, such as `extract_features_0000`, because the files of a group do
    not follow a pattern. The name `extract_features` selects all of these rules. Snakemake sets the options only after
    it has read the Snakefile, so the names are replaced when `_prepare_dag` is called.

    A name that is neither a rule nor a file gets a suggestion.
    """
    if not is_tested_version():
        return
    prepare = workflow._prepare_dag

    def prepare_with_names(*args: Any, **kwargs: Any) -> None:
        names, settings = [rule.name for rule in workflow.rules], workflow.dag_settings
        submitted = workflow.group_settings.overwrite_groups.items()
        workflow.group_settings.overwrite_groups = {
            rule: job for name, job in submitted for rule in _with_groups([name], names)
        }
        findings: list[str] = []
        for option in ("until", "omit_from", "forcerun", "targets"):
            given = _with_groups(getattr(settings, option), names)
            findings += _misspelt([name for name in given if name not in names], workflow.rules)
            setattr(settings, option, given)
        if findings:
            raise WorkflowError(*findings)
        prepare(*args, **kwargs)

    workflow._prepare_dag = prepare_with_names


def rerun_if_older(workflow: Workflow, rule: Any, files: Callable[[], Sequence[str]]) -> None:
    """Make the job of a rule run again if its output is older than some files that are not its inputs.

    The files are optional, such as those of targets that were asked for once: as inputs, Snakemake would make them all.

    Parameters
    ----------
    workflow, rule
        Snakemake's workflow, and the rule, which has one output and no wildcards.
    files
        Function that returns the files. `workflow.newer_files` then has those newer than the output.
    """
    if not is_tested_version():
        return
    prepare = workflow._prepare_dag

    def prepare_and_force(*args: Any, **kwargs: Any) -> None:
        prepare(*args, **kwargs)
        output = Path(str(next(iter(rule.output))))
        workflow.newer_files = {rule.name: newer_than(output, files())}
        if workflow.newer_files[rule.name]:
            workflow.dag.forcerules.add(rule)

    workflow._prepare_dag = prepare_and_force


def newer_than(path: Path, files: Iterable[str]) -> list[str]:
    """Return the files that are newer than a path, except those with a date in the future; none if it is missing."""
    if not path.exists():
        return []
    made, now = path.stat().st_mtime_ns, time.time_ns()
    return [one for one in files if made < Path(one).stat().st_mtime_ns <= now]


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


def patch_update_needrun() -> None:
    """Make Snakemake check the jobs downstream of a running job if only ``ancient`` inputs connect them.

    Version 9.27 does not check any job downstream of one that runs, because it assumes that they run as well. Behind an
    ancient input, they do not: without this patch, an update of Parley would need two calls to rerun everything.
    """
    if is_tested_version():
        DAG.update_needrun = _update_needrun


async def _update_needrun(dag: Any, *args: Any, **options: Any) -> None:
    dag.bfs = _downstream  # update_needrun calls it at one place, to omit jobs that will run in any case.
    try:
        await _update_needrun_of_snakemake(dag, *args, **options)
    finally:
        del dag.bfs


def _downstream(depending: Mapping[Any, Mapping[Any, Any]], job: Any) -> set[Any]:
    """Return a job and all jobs downstream of it, except those that only ancient inputs connect to it."""
    waiting, found = [job], {job}
    while waiting:
        children = depending[waiting.pop()].items()
        new = {child for child, files in children if not all(file.is_ancient for file in files)} - found
        waiting += new
        found |= new
    return found


def run_between_until_rules() -> None:
    """Make Snakemake start jobs between two rules of `--until`, such as those between `split` and `train_run`.

    When a job ends, version 9.27 starts no job of a rule of `--until`, even if another such rule needs it, and ends
    with "BUG: Out of jobs ready to be started". The jobs that `--until` excludes are removed before the first job.
    """
    if is_tested_version():
        DAG.until_jobs = lambda dag: (job for job in dag.jobs if _in_until_of_snakemake(dag, job))
        DAG.in_until = lambda dag, job: False


def quote_paths() -> None:
    """Make Snakemake quote paths in the commands of jobs for the shell: they may contain a space or an apostrophe.

    Version 9.27 leaves the path of Python as it is, and writes others as Python does, which doubles a backslash.
    """
    if is_tested_version():
        _arguments.format_cli_value = _format_cli_value
        PythonScript._execute_cmd = _execute_quoted
        RealExecutor.format_job_exec = _format_job_exec


def _execute_quoted(script: Any, command: str, **named: Any) -> Any:
    if "py_exec" in named:
        named["py_exec"] = shlex.quote(named["py_exec"])
    return ScriptBase._execute_cmd(script, command, **named)


def _format_cli_value(value: Any, quote: bool = False, base64_encode: bool = False) -> Any:
    if isinstance(value, str) and quote and not base64_encode and not _arguments.is_quoted(value):
        return shlex.quote(value)
    return _format_cli_value_of_snakemake(value, quote, base64_encode)


def _format_job_exec(executor: Any, job: Any) -> Any:
    executor.get_python_executable = lambda: shlex.quote(type(executor).get_python_executable(executor))
    return _format_job_exec_of_snakemake(executor, job)


def _with_groups(given: Collection[str], rules: Sequence[str]) -> list[str]:
    """Replace each name that stands for several rules, one per job group, by these rules; keep any other name."""
    expanded = []
    for name in given:
        group = [] if name in rules else [rule for rule in rules if base_of(rule) == name]
        expanded += group or [name]
    return expanded


def shares_disk(workflow: Workflow) -> bool:
    """Return whether outputs are on a shared disk, not in an object store, where job records cannot be stored.

    If outputs are in S3, the function also patches Snakemake's S3 plugin, provided that it has the tested version.
    """
    provider = workflow.storage_settings.default_storage_provider
    if provider == "s3" and version("snakemake-storage-plugin-s3") == TESTED_S3_PLUGIN:
        _forget_missing_folders()
    return not provider


def untested_versions(workflow: Workflow) -> Iterator[str]:
    """Yield a warning for each package whose version is not the tested one, and which is therefore not patched."""
    if not is_tested_version():
        yield (
            f"Snakemake {version('snakemake')} is not patched, because Parley is tested with {TESTED_SNAKEMAKE}*. With "
            "hundreds of waiting jobs, Snakemake may use half of a CPU core. After a change of code, a second call may "
            "be needed. `--until`, `--omit-from`, `--forcerun` and targets need the full name of a group's rule, such "
            "as extract_features_0000. `all` does not add files of other targets to provenance.json. "
            "Results are the same."
        )
    if workflow.storage_settings.default_storage_provider != "s3":
        return
    found = version("snakemake-storage-plugin-s3")
    if found != TESTED_S3_PLUGIN:
        yield (
            f"snakemake-storage-plugin-s3 {found} is not patched, because Parley is tested with {TESTED_S3_PLUGIN}. "
            "The run may stop when a retried job creates a missing folder. If this happens, start the run again."
        )


def select_jobs_when_one_finishes(workflow: Workflow) -> None:
    """Make Snakemake select the next jobs when a job finishes, and no longer once a second.

    To limit the number of jobs started per second, version 9.27 examines all waiting jobs again one second after each
    selection, and each finished job starts another series of such selections. With 300 waiting jobs, this uses half of
    a CPU core (benchmarks/waiting_jobs.py).
    """
    workflow.scheduler.job_rate_limiter = None


def fall_back_to_greedy_scheduler() -> None:
    """Make Snakemake select jobs without the solver, with a warning, when the folder of temporary files is full.

    Version 9.27 ends with a traceback, because the solver passes its results in temporary files.
    """
    from pulp import PulpSolverError  # type: ignore[import-untyped]
    from snakemake.scheduling.milp import Scheduler

    solve = Scheduler._solve_ilp

    def solve_or_fall_back(self: Any, *args: Any, **options: Any) -> Any:
        try:
            return solve(self, *args, **options)
        except (OSError, IndexError, ValueError) as error:  # The last two: truncated files.
            raise PulpSolverError(f"{error}. Is the folder of temporary files (TMPDIR) full?") from error

    Scheduler._solve_ilp = solve_or_fall_back


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

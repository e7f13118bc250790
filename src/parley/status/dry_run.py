"""A dry run of Snakemake within this process: its own plan of jobs, with its own reasons.

What Snakemake offers to call (its output, `--summary`, `--list-changes`) tells which files are touched, but neither
which value changed nor which job follows from which. So its plan is built here as `snakemake -n` builds it, from
the same command line and profile, and read. All that is known of Snakemake's inside stands in this module.
"""

import contextlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from snakemake import cli
from snakemake.api import SnakemakeApi
from snakemake.exceptions import RuleException, WorkflowError
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    DeploymentSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
    StorageSettings,
    WorkflowSettings,
)

from parley.core.errors import ParleyError
from parley.runtime.code_digest import BOOK, SOURCES, Sources, changed_parts, read_parts, stage_parts
from parley.runtime.job_logs import last_error
from parley.runtime.run_lock import active_records
from parley.status.changes import changed_params
from parley.status.jobs import Job, Plan, closure


class DryRun:
    """The workflow of the working folder, with a config.

    Parameters
    ----------
    configfiles
        As after `--configfile`; none for the Snakefile's own.

    Raises
    ------
    ParleyError
        With Snakemake's sentences, where the config is wrong or an input is missing.
    """

    def __init__(self, configfiles: Sequence[str | Path]) -> None:
        chosen = ["--configfile", *map(str, configfiles)] if configfiles else []
        with contextlib.redirect_stderr(io.StringIO()):  # It says which profile it reads.
            _, self._args = cli.parse_args(["--dry-run", *chosen])
        self._sources = Sources(SOURCES)

    def plans(self) -> tuple[dict[str, Any], Plan, Plan]:
        """Return the merged config, the plan of the default target, and that with all that is made on request."""
        args = self._args
        try:
            # It logs what it does; what is wrong comes as an error.
            with (
                contextlib.redirect_stderr(io.StringIO()),
                SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL}, nocolor=True)) as api,
            ):
                workflow_api = api.workflow(
                    resource_settings=ResourceSettings(cores=1, default_resources=args.default_resources),
                    config_settings=ConfigSettings(config=cli.parse_config(args.config), configfiles=args.configfile),
                    storage_settings=StorageSettings(),
                    workflow_settings=WorkflowSettings(
                        consider_ancient=args.consider_ancient,
                        persistence_backend=args.persistence_backend,
                        persistence_backend_db_url=args.persistence_backend_db_url,
                    ),
                    deployment_settings=DeploymentSettings(deployment_method=args.software_deployment_method),
                    snakefile=args.snakefile,
                )
                workflow = workflow_api._workflow
                default, whole = self._both(workflow)
                return dict(workflow.globals["CONFIG"]), default, whole
        except (WorkflowError, RuleException) as error:
            raise ParleyError(_sentences(error)) from error

    def _both(self, workflow: Any) -> tuple[Plan, Plan]:
        """Return the plan of the default target and that of all targets, built no more often than is needed.

        That more is asked for makes more jobs of the default target needed only where outputs of them are gone.
        """
        asked = [rule.name for rule in workflow.rules if _is_target(rule)]
        whole = self._plan(workflow, asked)
        default = _part_of(whole)
        if not any(job.needed and job.gone for job in default.jobs.values()):
            return default, whole
        needed = {job.outputs for job in default.jobs.values() if job.needed}
        default = self._plan(workflow, [workflow.default_target])
        if needed == {job.outputs for job in default.jobs.values() if job.needed}:
            return default, whole
        # Something is gone that only targets of earlier stages bring back: what is on request is seen without them.
        others = [name for name in asked if -1 in default.targets.get(name, {-1})]
        return default, self._plan(workflow, [workflow.default_target, *others])

    def _plan(self, workflow: Any, targets: Sequence[str]) -> Plan:
        args = self._args
        workflow.dag_settings = DAGSettings(
            targets=set(targets),
            rerun_triggers=args.rerun_triggers,
            force_incomplete=args.rerun_incomplete,
            max_checksum_file_size=args.max_checksum_file_size,
        )
        workflow._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=True)
        workflow._build_dag()
        return _plan_of(workflow, self._sources)


def _is_target(rule: Any) -> bool:
    """Return whether a rule makes nothing itself, but asks for what others make."""
    return bool(rule.norun and rule.input and not rule.output)


def _part_of(whole: Plan) -> Plan:
    """Return the default target's part of a plan."""
    return Plan({number: whole.jobs[number] for number in whole.default}, {}, whole.default, whole.locked)


def _sentences(error: Exception) -> Iterator[str]:
    """Yield what an error of Snakemake's says, a line each."""
    text = "\n".join(str(part) for part in error.args if part)
    yield from (line for line in text.splitlines() if line.strip())


def _plan_of(workflow: Any, sources: Sources) -> Plan:
    dag = workflow.dag
    real = [job for job in dag.jobs if job.output]
    numbers = {job: number for number, job in enumerate(real)}
    maker = {str(path): job for job in real for path in job.output}
    book = read_parts(BOOK)
    needed = set(dag.needrun_jobs())
    reader = _Reader(workflow, sources, book)
    jobs = {}
    for job, number in numbers.items():
        before = {other for other in dag.dependencies[job] if other in numbers}
        jobs[number] = reader.read(
            job,
            number,
            job in needed,
            frozenset(numbers[other] for other in before),
            frozenset(numbers[other] for other in before if other in needed),
        )
    targets = {}
    for rule in workflow.rules:
        if _is_target(rule):
            asked = [maker.get(str(path)) for path in rule.expand_input({})[0]]
            # Of a target that the plan does not hold some job is missing, and no number is the stranger's.
            targets[rule.name] = frozenset(-1 if job is None else numbers[job] for job in asked)
    default = targets.pop(workflow.default_target)
    return Plan(jobs, targets, frozenset(closure(jobs, default)), _who_is_at_work(workflow, maker))


def _who_is_at_work(workflow: Any, outputs: Iterable[str]) -> str:
    """Return a sentence on who is at work on an experiment's files; empty where nobody is."""
    others = active_records(outputs)
    if others:
        return f"A run is going on: {', '.join(map(str, others))}."
    if workflow.persistence.locked:
        return (
            "The files are locked by Snakemake: a run is going on. If none is, one was killed: add --unlock to the "
            "command once."
        )
    return ""


class _Reader:
    """Reads jobs of a plan."""

    def __init__(self, workflow: Any, sources: Sources, book: dict[str, dict[str, str]]) -> None:
        self._dag, self._records = workflow.dag, workflow.persistence
        self._sources, self._book = sources, book
        self._parts: dict[str, dict[str, str]] = {}

    def read(self, job: Any, number: int, needed: bool, depends_on: frozenset[int], follows: frozenset[int]) -> Job:
        """Return what is known of a job."""
        outputs = tuple(map(str, job.output))
        times = {path: _time_of(path) for path in outputs}
        gone = tuple(path for path, time in times.items() if time is None)
        records = [record for record in map(self._records.metadata, job.output) if record is not None]
        log = next(iter(map(str, job.log)), "")
        details = self._reasons(job, records) if needed else {}
        return Job(
            number,
            job.rule.name,
            " ".join([job.rule.name, *map(str, job.wildcards)]),
            outputs,
            gone,
            needed=needed,
            depends_on=depends_on,
            follows=follows if needed else frozenset(),
            made=max((time for time in times.values() if time is not None), default=None),
            recorded=bool(records),
            interrupted=needed and self._was_begun(job),
            error=last_error(log) if gone and log else None,
            log=log,
            failed_runs=_failed_runs(outputs),
            **details,
        )

    def _was_begun(self, job: Any) -> bool:
        """Return whether a job was begun and has neither ended nor failed."""
        return bool(self._records._filter_incomplete_keys(map(self._records._get_key, job.output)))

    def _reasons(self, job: Any, records: Sequence[Any]) -> dict[str, Any]:
        reason = self._dag.reason(job)
        found: dict[str, Any] = {"environment": bool(reason.software_stack_changed)}
        found["newer"] = tuple(sorted(map(str, set(reason.updated_input) - set(reason.updated_input_run))))
        if reason.input_changed and records:
            before, now = set(records[0].input or ()), set(map(str, job.input))
            found["inputs_added"], found["inputs_gone"] = tuple(sorted(now - before)), tuple(sorted(before - now))
        if reason.params_changed and records:
            changes, code = changed_params(records[0].params or [], dict(job.params.items()))
            found["changes"] = tuple(changes)
            found["code"] = None if code is None else tuple(self._changed_code(job, code))
        return found

    def _changed_code(self, job: Any, old: str) -> list[str]:
        script = str(job.rule.script)
        if script not in self._parts:
            path = Path(job.rule.basedir.get_path_or_uri(secret_free=False)) / script
            self._parts[script] = stage_parts(path, self._sources)
        return changed_parts(self._book.get(old), self._parts[script])


def _time_of(path: str) -> float | None:
    """Return when a file was last written; None where it is not there, or no more: a run may be going on."""
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return None


def _failed_runs(outputs: Iterable[str]) -> dict[str, str]:
    """Return why runs failed in training, by the folder of the run: the last line of its log says so."""
    found = {}
    for path in map(Path, outputs):
        if path.name == "metrics.jsonl" and path.is_file():
            last = path.read_text(encoding="utf-8").rstrip().rpartition("\n")[2]
            line = json.loads(last) if last.startswith("{") else {}
            if line.get("kind") == "failed":
                found[str(path.parent)] = str(line["why"])
    return found

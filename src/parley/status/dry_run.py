"""A dry run of Snakemake within this process: Snakemake's plan of jobs, with its reasons.

Snakemake's public output (`--summary`, `--list-changes`) lists affected files, but not which value changed or which
job depends on which. This module builds the plan as `snakemake -n` does, from the same command line and profile, and
reads it. It is the only module that uses Snakemake's internals.
"""

import contextlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
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
from parley.runtime.hooks import last_error
from parley.runtime.run_lock import active_records
from parley.status.jobs import Job, Plan, closure
from parley.status.reasons import CODE, changed_params


class DryRun:
    """The workflow of the working folder with a config.

    Parameters
    ----------
    configfiles
        As after `--configfile`; empty for the Snakefile's default.

    Raises
    ------
    ParleyError
        With Snakemake's message, if the config is wrong or an input is missing.
    """

    def __init__(self, configfiles: Sequence[str | Path]) -> None:
        chosen = ["--configfile", *map(str, configfiles)] if configfiles else []
        with contextlib.redirect_stderr(io.StringIO()):  # It prints the profile that it reads.
            _, self._args = cli.parse_args(["--dry-run", *chosen])
        self._sources = Sources(SOURCES)
        # Digests of the modules of a stage, by script.
        self._parts: dict[str, dict[str, str]] = {}

    def plans(self) -> tuple[dict[str, Any], Plan, Plan]:
        """Return the merged config, the plan of the default target, and the plan of all targets."""
        args = self._args
        try:
            # Its log is discarded; problems are raised as errors.
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
            lines = "\n".join(str(part) for part in error.args if part).splitlines()
            raise ParleyError(line for line in lines if line.strip()) from error

    def _both(self, workflow: Any) -> tuple[Plan, Plan]:
        """Return the plans of the default target and of all targets, building as few plans as possible.

        The other targets add jobs to the default target only if outputs of its jobs are gone.
        """
        asked = [rule.name for rule in workflow.rules if _is_target(rule)]
        whole = self._plan(workflow, asked)
        default = Plan({number: whole.jobs[number] for number in whole.default}, {}, whole.default, whole.locked)
        if not any(job.needed and job.gone for job in default.jobs.values()):
            return default, whole
        needed = {job.outputs for job in default.jobs.values() if job.needed}
        default = self._plan(workflow, [workflow.default_target])
        if needed == {job.outputs for job in default.jobs.values() if job.needed}:
            return default, whole
        # Only targets of earlier stages would restore a missing file: plan the targets on request without them.
        others = [name for name in asked if -1 in default.targets.get(name, {-1})]
        return default, self._plan(workflow, [workflow.default_target, *others])

    def _plan(self, workflow: Any, asked: Sequence[str]) -> Plan:
        workflow.dag_settings = DAGSettings(
            targets=set(asked),
            rerun_triggers=self._args.rerun_triggers,
            force_incomplete=self._args.rerun_incomplete,
            max_checksum_file_size=self._args.max_checksum_file_size,
        )
        workflow._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=True)
        workflow._build_dag()
        dag = workflow.dag
        numbers = {job: number for number, job in enumerate(job for job in dag.jobs if job.output)}
        maker = {str(path): number for job, number in numbers.items() for path in job.output}
        book = read_parts(BOOK)
        needed = set(dag.needrun_jobs())
        jobs = {}
        for job, number in numbers.items():
            before = {other for other in dag.dependencies[job] if other in numbers}
            jobs[number] = replace(
                self._job(workflow, job, number, job in needed, book),
                depends_on=frozenset(numbers[other] for other in before),
                follows=frozenset(numbers[other] for other in before if other in needed and job in needed),
            )
        # -1 marks a job that is not in the plan, so that the target is not either.
        targets = {
            rule.name: frozenset(maker.get(str(path), -1) for path in rule.expand_input({})[0])
            for rule in workflow.rules
            if _is_target(rule)
        }
        default = targets.pop(workflow.default_target)
        return Plan(jobs, targets, frozenset(closure(jobs, default)), _running_processes(workflow, maker))

    def _job(self, workflow: Any, job: Any, number: int, needed: bool, book: Mapping[str, dict[str, str]]) -> Job:
        """Return a job of Snakemake as a `Job` without its dependencies."""
        outputs = tuple(map(str, job.output))
        times = {path: _time_of(path) for path in outputs}
        gone = tuple(path for path, time in times.items() if time is None)
        persistence = workflow.persistence
        records = [record for record in map(persistence.metadata, job.output) if record is not None]
        log = next(iter(map(str, job.log)), "")
        # Started, and neither finished nor failed.
        interrupted = needed and persistence._filter_incomplete_keys(map(persistence._get_key, job.output))
        return Job(
            number,
            job.rule.name,
            outputs,
            gone,
            needed=needed,
            made=max((time for time in times.values() if time is not None), default=None),
            recorded=bool(records),
            interrupted=bool(interrupted),
            error=last_error(log) if gone and log else None,
            log=log,
            failed_runs=_failed_runs(outputs),
            has_code=CODE in job.params.keys(),  # noqa: SIM118 - Snakemake's list of params, not a dict
            **(self._reasons(job, workflow.dag.reason(job), records, book) if needed else {}),
        )

    def _reasons(
        self, job: Any, reason: Any, records: Sequence[Any], book: Mapping[str, dict[str, str]]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {"environment": bool(reason.software_stack_changed)}
        found["newer"] = tuple(sorted(map(str, set(reason.updated_input) - set(reason.updated_input_run))))
        if reason.input_changed and records:
            before, now = set(records[0].input or ()), set(map(str, job.input))
            found["inputs_added"], found["inputs_gone"] = tuple(sorted(now - before)), tuple(sorted(before - now))
        if reason.params_changed and records:
            changes, code = changed_params(records[0].params or [], dict(job.params.items()))
            found["changes"] = tuple(changes)
            if code is not None:
                script = str(job.rule.script)
                if script not in self._parts:
                    path = Path(job.rule.basedir.get_path_or_uri(secret_free=False)) / script
                    self._parts[script] = stage_parts(path, self._sources)
                found["code"] = tuple(changed_parts(book.get(code), self._parts[script]))
        return found


def _is_target(rule: Any) -> bool:
    """Return whether a rule has inputs but writes nothing itself."""
    return bool(rule.norun and rule.input and not rule.output)


def _running_processes(workflow: Any, outputs: Iterable[str]) -> str:
    """Return a sentence that names the running processes; empty if there are none."""
    others = active_records(outputs)
    if others:
        return f"A run is in progress: {', '.join(map(str, others))}."
    if workflow.persistence.locked:
        return (
            "Snakemake has locked the files: a run is in progress. If none is, a run was killed: add --unlock to the "
            "command once."
        )
    return ""


def _time_of(path: str) -> float | None:
    """Return a file's modification time; None if it does not exist (a running job may remove it meanwhile)."""
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return None


def _failed_runs(outputs: Iterable[str]) -> dict[str, str]:
    """Return why runs failed in training, by run folder, from the last line of each log."""
    found = {}
    for path in map(Path, outputs):
        if path.name == "metrics.jsonl" and path.is_file():
            last = path.read_text(encoding="utf-8").rstrip().rpartition("\n")[2]
            line = json.loads(last) if last.startswith("{") else {}
            if line.get("kind") == "failed":
                found[str(path.parent)] = str(line["why"])
    return found

"""Dry run of Snakemake in the current process, which returns the planned jobs and the reasons to run them.

Snakemake's public output (`--summary`, `--list-changes`) lists affected files, but neither the changed values nor the
dependencies of jobs. This module therefore builds the plan as `snakemake -n` does, from the same command line and
profile. It is the only module of `parley.status` that uses Snakemake's internals.
"""

import contextlib
import io
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

from parley.config.paths import FEATURES
from parley.core.errors import ParleyError
from parley.core.failures import failed_runs
from parley.core.installation import snakemake_options
from parley.provenance.records import FOLDER as RECORDS
from parley.provenance.records import read_record
from parley.runtime.code_digest import BOOK, SOURCES, Sources, changed_parts, read_parts, stage_parts
from parley.runtime.job_failures import last_error
from parley.runtime.run_lock import active_records
from parley.status.jobs import Change, Job, Plan, closure
from parley.status.reasons import CODE, changed_network, changed_params


class DryRun:
    """Dry run of the workflow in the working folder, with the given config files.

    Parameters
    ----------
    configfiles
        Config files, as given after `--configfile`; empty for the Snakefile's default.

    Raises
    ------
    ParleyError
        If the config is invalid or an input is missing. The error contains Snakemake's message.
    """

    def __init__(self, configfiles: Sequence[str | Path]) -> None:
        chosen = ["--configfile", *map(str, configfiles)] if configfiles else []
        with contextlib.redirect_stderr(io.StringIO()):  # Hides the profile's name, which Snakemake prints.
            _, self._args = cli.parse_args(["--dry-run", *snakemake_options(), *chosen])
        self._sources = Sources(SOURCES)
        # Digests of the modules and of the parts of plug-ins that a stage uses, by the digest of its code.
        self._parts: dict[str, dict[str, str]] = {}

    def plans(self) -> tuple[dict[str, Any], Plan, Plan]:
        """Return the merged config, the plan of the default target, and the plan of all targets."""
        args = self._args
        try:
            # Snakemake's log is discarded, because problems are raised as exceptions.
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
        """Return the plan of the default target and the plan of all targets, building as few plans as possible.

        If jobs of the default target have missing outputs, more of these jobs may run in the plan of all targets than
        in the default target's own plan. Only then is the plan of the default target built separately.
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
        # A target whose inputs this plan already has is not added: it would restore files that are no longer needed.
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
        # -1 stands for an input that no planned job writes. A target with such an input is not part of the plan.
        targets = {
            rule.name: frozenset(maker.get(str(path), -1) for path in rule.expand_input({})[0])
            for rule in workflow.rules
            if _is_target(rule)
        }
        default = targets.pop(workflow.default_target)
        return Plan(jobs, targets, frozenset(closure(jobs, default)), _running_processes(workflow, maker))

    def _job(self, workflow: Any, job: Any, number: int, needed: bool, book: Mapping[str, dict[str, str]]) -> Job:
        """Convert a job of Snakemake into a `Job`, without its dependencies."""
        outputs = tuple(map(str, job.output))
        times = {path: _time_of(path) for path in outputs}
        gone = tuple(path for path, time in times.items() if time is None)
        persistence = workflow.persistence
        records = [record for record in map(persistence.metadata, job.output) if record is not None]
        log = next(iter(map(str, job.log)), "")
        # The job was started, and neither finished nor failed.
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
            failed_runs=failed_runs(outputs),
            has_code=CODE in job.params.keys(),  # noqa: SIM118 - Snakemake's list of params, not a dict
            **(self._reasons(job, workflow.dag.reason(job), records, book) if needed else {}),
        )

    def _reasons(
        self, job: Any, reason: Any, records: Sequence[Any], book: Mapping[str, dict[str, str]]
    ) -> dict[str, Any]:
        workflow = job.rule.workflow
        found: dict[str, Any] = {"environment": bool(reason.software_stack_changed)}
        newer = {str(path) for path in set(reason.updated_input) - set(reason.updated_input_run)}
        found["newer"] = tuple(sorted(newer.union(getattr(workflow, "newer_files", {}).get(job.rule.name, ()))))
        changes: list[Change] = []
        if reason.input_changed and records:
            before, now = set(records[0].input or ()), set(map(str, job.input))
            changes += _changed_features(before - now, workflow.globals["CONFIG"]["features"])
            # Other settings of the network have another folder of features.
            explained = f"{FEATURES}/" if changes else ()
            found["inputs_added"] = tuple(sorted(path for path in now - before if not path.startswith(explained)))
            found["inputs_gone"] = tuple(sorted(path for path in before - now if not path.startswith(explained)))
        if reason.params_changed and records:
            of_params, code = changed_params(records[0].params or [], dict(job.params.items()))
            changes += of_params
            if code is not None:
                present = str(dict(job.params.items())[CODE])
                if present not in self._parts:
                    path, of_plugins = workflow.globals["DIGESTS"][present]
                    self._parts[present] = stage_parts(path, self._sources) | of_plugins
                found["code"] = tuple(changed_parts(book.get(code), self._parts[present]))
        return found | {"changes": tuple(changes)}


def _changed_features(gone: Iterable[str], present: Mapping[str, Any]) -> list[Change]:
    """Return the settings of the section `features` that changed since files that are no longer inputs were made.

    The list is empty if the files are not features, or no record says with which settings they were made.
    """
    folders = {Path(path).parent for path in gone if path.startswith(f"{FEATURES}/")}
    for path in (path for folder in folders for path in folder.glob(f"{RECORDS}/extract_features*.json")):
        with contextlib.suppress(ParleyError):  # A damaged record is as good as none: the paths are shown instead.
            return changed_network(read_record(path).config["features"], present)
    return []


def _is_target(rule: Any) -> bool:
    """Return whether a rule is a target: it has inputs, but runs nothing and has no outputs."""
    return bool(rule.norun and rule.input and not rule.output)


def _running_processes(workflow: Any, outputs: Iterable[str]) -> str:
    """Return a sentence about running processes or a lock of Snakemake; an empty string if there are none."""
    others = active_records(outputs)
    if others:
        return f"A run is in progress: {', '.join(map(str, others))}."
    if workflow.persistence.locked:
        return (
            "Snakemake has locked the files: a run is in progress. If no run is in progress, an earlier run was "
            "killed: run the same `snakemake` command once with --unlock."
        )
    return ""


def _time_of(path: str) -> float | None:
    """Return a file's modification time; None if the file is missing, for example because a running job removed it."""
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return None

"""What the hooks assume of Snakemake and of its plugins."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.api import SnakemakeApi, Workflow
from snakemake.dag import DAG
from snakemake.exceptions import WorkflowError
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.scheduling.milp import Scheduler
from snakemake.settings.types import DAGSettings, OutputSettings, Quietness, ResourceSettings

from parley.runtime import hooks, snakemake_patches
from parley.runtime.code_digest import ROOT, modules_of
from parley.runtime.run_lock import acquire


@pytest.fixture(autouse=True)
def _as_before():
    """`start` is for the process of a run: what it sets must not outlive a test."""
    before, handlers = signal.getsignal(signal.SIGINT), list(hooks.logger.handlers)
    yield
    signal.signal(signal.SIGINT, before)
    hooks.logger.handlers[:] = handlers


def made_workflow(outputs=(), quiet=()):
    rule = SimpleNamespace(name="split", snakefile="dataset.smk")
    job = SimpleNamespace(output=list(outputs), input=[], log=[], rule=rule)
    return SimpleNamespace(
        touch=False,
        dag=SimpleNamespace(jobs=[job], needrun_jobs=lambda: [job]),
        deployment_settings=SimpleNamespace(deployment_method=set()),
        output_settings=SimpleNamespace(quiet=set(quiet), nocolor=True),
        storage_settings=SimpleNamespace(default_storage_provider=None),
        config_settings=SimpleNamespace(configfiles=[]),
        overwrite_workdir=None,
        scheduler=SimpleNamespace(
            job_rate_limiter=object(),
            failed=set(),
            _local_executor=None,
            _executor=SimpleNamespace(workers=1, pool=None),
        ),
        logger_manager=SimpleNamespace(plugin_handlers=[]),
        async_run=asyncio.run,
    )


def test_the_installed_snakemake_is_the_one_that_is_patched():
    """After an upgrade: are the patches still needed, and are the patched attributes still there?"""
    assert snakemake_patches.is_tested_version()
    assert hasattr(Workflow, "_prepare_dag")
    assert hasattr(Workflow, "_build_dag")
    assert hasattr(DAG, "cleanup")
    assert hasattr(DAG, "in_until")
    assert hasattr(DAG, "until_jobs")
    assert "_solve_ilp" in vars(Scheduler)
    assert all(hasattr(Workflow, name) for name in ("execute", "async_run", "is_main_process"))
    assert "job_rate_limiter" in JobScheduler.__init__.__code__.co_names


@pytest.mark.parametrize(("patched", "expected"), [(False, {"first", "plain"}), (True, {"first", "plain", "behind"})])
def test_a_job_behind_an_ancient_input_is_checked(tmp_path, monkeypatch, patched, expected):
    monkeypatch.chdir(tmp_path)
    Path("Snakefile").write_text(
        "rule first:\n output: 'a'\nrule plain:\n input: 'a'\n output: 'b'\n"
        "rule behind:\n input: ancient('a')\n output: 'c'\nrule idle:\n input: ancient('a')\n output: 'd'\n"
    )
    for name in "abd":
        Path(name).touch()
    monkeypatch.setattr(DAG, "update_needrun", DAG.update_needrun)
    if patched:
        snakemake_patches.patch_update_needrun()
    with SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as api:
        workflow = api.workflow(ResourceSettings(cores=1), snakefile=Path("Snakefile"))._workflow
        workflow.dag_settings = DAGSettings(targets=set("bcd"), forcerun={"first"}, rerun_triggers=set())
        workflow._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=True)
        workflow._build_dag()
        assert {job.rule.name for job in workflow.dag.needrun_jobs()} == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("until", "made", "patched"),
    [
        ("first third", "abc", True),
        ("first second third", "abc", True),
        ("a third", "abc", True),
        ("second", "ab", True),
        ("first third", "a", False),
    ],
)
def test_jobs_between_two_rules_of_until_run(tmp_path, until, made, patched):
    patch = "from parley.runtime import snakemake_patches\nsnakemake_patches.run_between_until_rules()\n"
    rules = [("first", "", "a"), ("second", "a", "b"), ("third", "b", "c"), ("fourth", "c", "d")]
    text = "".join(
        f"rule {name}:\n input: {list(before)}\n output: '{after}'\n shell: 'touch {after}'\n"
        for name, before, after in reversed(rules)
    )
    (tmp_path / "Snakefile").write_text((patch if patched else "") + text)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--profile", "none", "--until", *until.split()]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT.parent)}, capture_output=True, text=True
    )
    assert ("BUG" in done.stderr) is not patched
    assert (done.returncode == 0) is patched
    assert "".join(sorted(path.name for path in tmp_path.glob("?"))) == made


def test_a_common_name_selects_the_rules_of_all_groups():
    names = ("all", "split", "train_run_1", "train_run_3", "train_runs_1")
    rules = [SimpleNamespace(name=name, output=[], is_producer=lambda path: True) for name in names]
    chosen = {"until": frozenset({"train_run"}), "omit_from": ["split"], "forcerun": set(), "targets": ["a_1"]}
    prepared = []
    submitted = SimpleNamespace(overwrite_groups={"train_run": "training", "split": "images"})
    workflow = SimpleNamespace(
        rules=rules, dag_settings=SimpleNamespace(**chosen), group_settings=submitted, _prepare_dag=prepared.append
    )
    snakemake_patches.name_groups(workflow)
    workflow._prepare_dag("as before")
    assert prepared == ["as before"]
    expanded = {"until": ["train_run_1", "train_run_3"], "omit_from": ["split"], "forcerun": [], "targets": ["a_1"]}
    assert vars(workflow.dag_settings) == expanded
    assert submitted.overwrite_groups == {"train_run_1": "training", "train_run_3": "training", "split": "images"}


def test_a_name_that_is_neither_a_rule_nor_a_file_gets_a_suggestion(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept.txt").touch()
    rules = [SimpleNamespace(name="train_run_1", output=["a/{run}/b.csv"], is_producer="a/1/b.csv".__eq__)]
    rules.append(SimpleNamespace(name="gather", output=["a/2/{part}.hdf5"], is_producer=lambda path: False))
    told = snakemake_patches._misspelt(["kept.txt", "a/1/b.csv", "train_rum", "a/2/b.cvs", "quux", "no.txt"], rules)
    assert told == [
        "There is no target train_rum; did you mean train_run?",
        "There is no target a/2/b.cvs; did you mean a/2/b.csv?",
        "There is no target quux; `uv run snakemake --list-target-rules` lists them.",
    ]


def test_the_installed_s3_plugin_is_the_one_that_is_patched():
    """After an upgrade: is `_forget_missing_folders` still needed?"""
    pytest.importorskip("snakemake_storage_plugin_s3")
    assert version("snakemake-storage-plugin-s3") == snakemake_patches.TESTED_S3_PLUGIN


def test_the_s3_plugin_asks_again_for_a_folder_that_was_missing(monkeypatch):
    plugin = pytest.importorskip("snakemake_storage_plugin_s3")
    monkeypatch.setattr(plugin.StorageObject, "exists", lambda self: self._is_dir is None)
    workflow = made_workflow()
    workflow.storage_settings.default_storage_provider = "s3"
    assert not snakemake_patches.shares_disk(workflow)
    assert plugin.StorageObject.exists(SimpleNamespace(_is_dir=False))
    assert not plugin.StorageObject.exists(SimpleNamespace(_is_dir=True))


def test_without_an_object_store_nothing_is_patched():
    assert snakemake_patches.shares_disk(made_workflow())


def test_start_fails_on_missing_inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = []

    def check(stages, own_environments):
        asked.append((stages, own_environments))
        return ["The list is missing."]

    with pytest.raises(WorkflowError, match="The list is missing"):
        hooks.start(made_workflow(["a"]), check, {}, None, [])
    assert asked == [({"split"}, False)]
    assert not any(tmp_path.iterdir())


def test_missing_input_hint_has_the_configfile(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workflow = made_workflow(["a"])
    workflow.config_settings.configfiles = [tmp_path / "config/photos.yaml"]
    with pytest.raises(WorkflowError, match=r"add `--configfile config/photos\.yaml`"):
        hooks.start(workflow, lambda stages, **_: ["Run `uv run snakemake --cores 1 urls`."], {}, None, [])


def test_errors_at_the_start_name_the_folder_of_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workflow = made_workflow(["a"])
    workflow.overwrite_workdir = tmp_path
    about = re.escape(f"Paths are relative to {tmp_path}, the run's --directory.")
    with pytest.raises(WorkflowError, match=about):
        hooks.start(workflow, lambda stages, **_: ["The list is missing."], {}, None, [])
    lock, _ = acquire("parley clean", [], ["a"])
    with contextlib.closing(lock), pytest.raises(WorkflowError, match=about):
        hooks.start(workflow, lambda stages, **_: [], {}, None, [])
    monkeypatch.setenv("TMP", "/proc")  # Nothing can be written there.
    with pytest.raises(WorkflowError, match=about):
        hooks.start(workflow, lambda stages, **_: [], {}, None, [])


@pytest.mark.parametrize(("package", "tested"), [("snakemake", "9.27."), ("snakemake-storage-plugin-s3", "0.3.6")])
def test_start_warns_about_an_untested_version(tmp_path, monkeypatch, caplog, package, tested):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hooks.atexit, "register", lambda close: close())
    versions = {"snakemake": "9.27.1", "snakemake-storage-plugin-s3": "0.3.6"}
    monkeypatch.setattr(snakemake_patches, "version", (versions | {package: "99.1"}).__getitem__)
    monkeypatch.setattr(hooks.logger, "propagate", True)
    workflow = made_workflow()
    workflow.storage_settings.default_storage_provider = "s3"
    hooks.start(workflow, lambda stages, own_environments: [], {}, None, [])
    (line,) = caplog.messages
    assert line.lower().startswith(f"{package} 99.1 is not patched")
    assert f"tested with {tested}" in line
    assert (workflow.scheduler.job_rate_limiter is None) == (package != "snakemake")


def test_start_locks_and_frees_the_scheduler(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    handles = []
    monkeypatch.setattr(hooks.atexit, "register", handles.append)
    workflow = made_workflow(["results/a"])
    hooks.start(workflow, lambda stages, own_environments: [], {}, None, [])
    assert workflow.scheduler.job_rate_limiter is None
    with pytest.raises(WorkflowError, match="same files"):
        hooks.start(workflow, lambda stages, own_environments: [], {}, None, [])
    (close,) = handles
    close()


@pytest.mark.parametrize(("outputs", "shown"), [(["report", "summary"], True), (["report"], False)])
def test_the_summary_is_printed_where_it_is_of_this_run(outputs, shown):
    consoles = []
    hooks.succeed(made_workflow(outputs), ["report", "summary"], consoles.append)
    assert bool(consoles) == shown


def test_an_error_in_the_summary_is_a_line(capsys):
    def broken(console):
        raise RuntimeError("no terminal")

    hooks.succeed(made_workflow(), [], broken)
    assert capsys.readouterr().err == "The results cannot be shown here: RuntimeError: no terminal\n"


def test_quiet_prints_nothing(capsys):
    hooks.succeed(made_workflow(quiet={hooks.Quietness.ALL}), [], lambda console: console.print("x"))
    assert capsys.readouterr().err == ""


def test_failed_jobs_of_a_group_are_listed(capsys):
    def job(name):
        rule = SimpleNamespace(name=name)
        return SimpleNamespace(rule=rule, jobid=1, wildcards=["a", 1], log=[], is_group=lambda: False)

    class Group(list):
        __hash__ = object.__hash__

        def is_group(self):
            return True

    workflow = made_workflow()
    workflow.scheduler.failed = [job("split"), Group([job("train_run")])]
    hooks.fail(workflow)
    told = capsys.readouterr().err
    assert "2 jobs failed" in told
    assert "split a 1" in told
    assert "train_run a 1" in told


def test_no_script_of_a_stage_imports_the_hooks():
    sources = hooks.Sources()
    for script in (ROOT.parents[1] / "workflow/scripts").glob("*.py"):
        used = modules_of(script, sources)
        assert "parley.runtime.hooks" not in used
        assert not {f"parley.config.{name}" for name in ("resources", "rule_inputs", "paths")} & set(used)

"""`parley status` says what `snakemake -n` would do: a tiny experiment through all that may happen to it."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import yaml
from terminals import seen
from tiny_runs import TINY, write_classes

# Many dry runs, some minutes of them; tests/status holds the parts.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("PARLEY_LONG"), reason="takes minutes; PARLEY_LONG=1 runs it"),
]
CALL = "import sys; from parley.cli.main import main; sys.exit(main())"
LOST = {"name": "lost", "training": {"optimizer": "SGD", "learning_rate": 1e30}}
NO_STAGE = {"all"}


def command(*arguments):
    return [sys.executable, "-c", CALL, "status", *map(str, arguments)]


def call(project, *arguments, cwd=None):
    environment = {**os.environ, "PYTHONPATH": str(project.folder / "src")}
    return subprocess.run(
        command(*arguments), cwd=cwd or project.folder, env=environment, capture_output=True, text=True, timeout=600
    )


class Status:
    """What the command says of an experiment, checked against a dry run."""

    def __init__(self, project, config):
        done = call(project, "--configfile", config, "--json")
        assert done.returncode in (0, 1), done.stderr
        assert done.stderr == ""
        self.told = json.loads(done.stdout)
        self.stages = {one["name"]: one for one in self.told["stages"]}
        to_run = {}
        for one in self.told["stages"]:
            for rule, count in one["to_run"].items() if not one["on_request"] else ():
                to_run[rule] = to_run.get(rule, 0) + count
        by_snakemake = project.jobs(config)
        assert to_run == {rule: count for rule, count in by_snakemake.items() if rule not in NO_STAGE}
        assert self.told["up_to_date"] == (not to_run) == (done.returncode == 0)
        for one in self.told["stages"]:
            assert (one["state"] == "done") == (not one["to_run"])
            assert one["reasons"] or one["state"] == "done", one

    def state(self, name):
        return self.stages[name]["state"]

    def reasons(self, name):
        return " | ".join(self.stages[name]["reasons"])

    def not_done(self):
        return {name for name, one in self.stages.items() if one["state"] != "done" and not one["on_request"]}


@pytest.fixture(scope="module")
def tiny(project):
    write_classes(project.folder)
    return project.write_config("tiny", **TINY)


@pytest.fixture
def changed_config(tiny):
    """Write the config with some text replaced, for one test."""
    before = tiny.read_text()

    def change(old, new):
        assert old in before
        tiny.write_text(before.replace(old, new))

    yield change
    tiny.write_text(before)


def test_nothing_made(project, tiny):
    status = Status(project, tiny)
    assert {one["made"] for one in status.stages.values()} == {0}
    assert {one["state"] for one in status.stages.values()} == {"missing"}
    assert "not made yet" in status.reasons("train")
    assert status.told["next"] == f"uv run snakemake --cores all --configfile {tiny}"
    assert {"metrics", "claims", "export", "interventions"} <= {
        name for name, one in status.stages.items() if one["on_request"]
    }


def test_half_made(project, tiny):
    project.snakemake("--cores", "2", "words", "features", config=tiny)
    status = Status(project, tiny)
    assert [status.state(name) for name in ("images", "features", "words", "train")] == ["done"] * 3 + ["missing"]
    project.snakemake("--cores", "2", "results/tiny/runs/adaptive/1/metrics.jsonl", config=tiny)
    status = Status(project, tiny)
    assert (status.stages["train"]["made"], status.stages["train"]["jobs"]) == (1, 2)
    assert status.reasons("train") == "1 of 2: not made yet"


def test_run_prints_its_table_and_is_up_to_date(project, tiny):
    told = project.snakemake("--cores", "2", config=tiny)
    assert re.search(r"^test +8 +4 ", told, re.MULTILINE)
    assert "\x1b" not in told
    assert "The report: results/tiny/report.html" in told
    status = Status(project, tiny)
    assert status.not_done() == set()
    assert status.told["next"] is None
    # Nothing is printed where nothing was done, in a dry run, and where another target was asked for.
    assert "acc@1" not in project.snakemake("--cores", "2", config=tiny)
    assert "acc@1" not in project.snakemake("-n", "--forcerun", "build_report", config=tiny)
    assert "acc@1" not in project.snakemake("--cores", "2", "words", "--forcerun", "embed_words", config=tiny)
    assert "acc@1" not in project.snakemake("--cores", "2", "--forcerun", "build_report", "--quiet", "all", config=tiny)


def test_the_table_in_a_terminal(project, tiny):
    run = [sys.executable, "-m", "snakemake", "--cores", "2", "--forcerun", "build_report", "--configfile", str(tiny)]
    told, statuses = seen(run, cwd=project.folder)
    assert statuses == [0]
    assert "\x1b[1madaptive" in told
    told, statuses = seen(run, cwd=project.folder, env={"NO_COLOR": "1"})
    assert "acc@1" in told
    assert "\x1b" not in told.split("adaptive")[-1].split("The report")[0]


def test_error_in_the_table_does_not_fail_the_run(project, tiny):
    broken = project.folder / "src/parley/core/terminal.py"
    before = broken.read_text()
    broken.write_text("raise RuntimeError('no terminal')\n")
    try:
        told = project.snakemake("--cores", "2", "--forcerun", "build_report", config=tiny)
        assert "The results cannot be shown here: RuntimeError: no terminal" in told
    finally:
        broken.write_text(before)


def test_folder_status_uses_its_own_config(project, tiny, changed_config):
    changed_config("steps: 6", "steps: 9")
    assert Status(project, tiny).state("train") == "stale"
    done = call(project, "results/tiny")
    assert done.returncode == 0
    assert "Everything is up to date." in done.stdout


def test_a_changed_value_is_named_with_old_and_new(project, tiny, changed_config):
    changed_config("steps: 6", "steps: 9")
    status = Status(project, tiny)
    assert status.reasons("train") == "training.steps 6 → 9"
    assert status.reasons("select") == "follows from train"
    assert "training.steps 6 → 9" in status.reasons("config")
    assert status.state("features") == "done"


def test_another_network_is_named_by_its_settings(project, tiny, changed_config):
    changed_config("preprocessing: custom", "preprocessing: corrected\n  engine: eager")
    reasons = Status(project, tiny).reasons("features")
    assert "features.preprocessing custom → corrected" in reasons
    assert "resources/" not in reasons
    assert "engine" not in reasons


def test_added_seed_is_missing_and_others_are_not_stale(project, tiny, changed_config):
    changed_config("seeds:\n- 1\n- 2", "seeds:\n- 1\n- 2\n- 3")
    status = Status(project, tiny)
    assert (status.state("train"), status.stages["train"]["made"]) == ("missing", 2)
    assert "seeds: + 3" in status.reasons("summary") or "follows from" in status.reasons("summary")


def test_a_changed_module_is_named(project, tiny):
    path = project.folder / "src/parley/game/channel.py"
    before = path.read_text()
    path.write_text(before + "\nADDED = 1\n")
    try:
        status = Status(project, tiny)
        assert status.reasons("train") == "code changed: parley.game.channel"
        assert status.state("features") == "done"
        path.write_text(before + "\n# a remark\n")
        assert Status(project, tiny).not_done() == set()
    finally:
        path.write_text(before)


def test_a_deleted_file_that_is_needed_and_one_that_is_not(project, tiny):
    report = project.folder / "results/tiny/report.html"
    content, moment = report.read_bytes(), report.stat()
    report.unlink()
    status = Status(project, tiny)
    assert status.reasons("report").endswith("gone: results/tiny/report.html")
    # What tells where every file comes from follows.
    assert status.not_done() == {"report", "provenance"}
    report.write_bytes(content)
    os.utime(report, ns=(moment.st_atime_ns, moment.st_mtime_ns))
    selection = project.folder / "results/tiny/runs/adaptive/2/selection.json"
    content, moment = selection.read_bytes(), selection.stat()
    selection.unlink()
    status = Status(project, tiny)
    assert status.not_done() == set()
    assert "selection.json is gone" in " ".join(status.stages["select"]["notes"])
    selection.write_bytes(content)
    os.utime(selection, ns=(moment.st_atime_ns, moment.st_mtime_ns))


def test_an_input_touched_and_one_rewritten(project, tiny):
    words = project.folder / "results/tiny/words.hdf5"
    before = words.stat()
    os.utime(words)
    Status(project, tiny)  # What of a touched file is stale is Snakemake's to say: it compares small ones by bytes.
    best = project.folder / "results/tiny/runs/adaptive/1/best.pt"
    moment = best.stat()
    content = best.read_bytes()
    best.write_bytes(content + b"\0")
    status = Status(project, tiny)
    assert "newer than its outputs: results/tiny/runs/adaptive/1/best.pt" in status.reasons("evaluate")
    best.write_bytes(content)
    for path, was in ((words, before), (best, moment)):
        os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert Status(project, tiny).not_done() == set()


def test_status_of_stages_on_request(project, tiny):
    project.snakemake("--cores", "2", "export", "comparisons", config=tiny)
    status = Status(project, tiny)
    asked = {name: one["state"] for name, one in status.stages.items() if one["on_request"]}
    assert (asked["export"], asked["comparisons"], asked["agreement"]) == ("done", "done", "missing")
    assert status.reasons("provenance").startswith("newer than its outputs: results/tiny/comparisons.csv, ")
    for name in ("export", "comparisons", "agreement", "interventions", "claims"):
        by_snakemake = project.jobs(tiny, name)
        assert (asked[name] == "done") == (not by_snakemake), name
        own = status.stages[name]["to_run"].items()
        assert all(by_snakemake[rule] == count for rule, count in own), name


def test_a_terminal_of_80_columns(project, tiny, changed_config):
    changed_config("steps: 6", "steps: 9")
    environment = {"PYTHONPATH": str(project.folder / "src")}
    told, statuses = seen(command("--configfile", tiny), cwd=project.folder, env=environment)
    assert statuses == [1]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", told)
    assert "training.steps 6 → 9" in plain
    table = plain.split("On request")[0].split("\r\n")
    assert max(map(len, table)) <= 80
    told, _ = seen(command("--configfile", tiny), cwd=project.folder, env={**environment, "NO_COLOR": "1"})
    assert "\x1b" not in told


def test_folders_that_are_not_a_clone_and_a_wrong_config(project, tiny, tmp_path):
    done = call(project, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "does not contain the Parley workflow" in done.stderr
    assert list(tmp_path.iterdir()) == []
    wrong = project.write_config("wrong", **{**TINY, "game": {"message_bit": 4}})
    done = call(project, "--configfile", wrong)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Config: the key game.message_bit is unknown; did you mean message_bits?\n"
    done = call(project, "--configfile", "none.yaml")
    assert (done.returncode, done.stderr) == (2, "none.yaml does not exist; check the path.\n")
    done = call(project, "results/none")
    assert done.returncode == 2


def test_failure_reason_is_in_output_and_status(project, tiny, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    config = project.write_config("big", **{**TINY, "training": {**TINY["training"], "device": "cuda"}})
    told = project.snakemake("--cores", "2", "--keep-going", config=config, ok=False)
    end = told.split("2 jobs failed:")[1]
    assert "train_run adaptive 1: training.device is cuda, but torch finds no GPU here" in end
    assert "results/big/logs/train_run/adaptive-2.log" in end
    status = Status(project, config)
    assert status.reasons("train").startswith("failed: training.device is cuda, but torch finds no GPU here")
    assert "see results/big/logs/train_run/adaptive-1.log and results/big/logs/train_run/adaptive-2.log" in (
        status.reasons("train")
    )
    assert status.state("features") == "done"


def test_a_seed_that_diverged_is_a_result(project, tiny):
    config = project.write_config("half", **{**TINY, "runs": [{"name": "fine"}, LOST]})
    told = project.snakemake("--cores", "2", config=config)
    assert "Run lost, seed 2 failed: The loss of seed 2 is no longer finite" in told
    status = Status(project, config)
    assert status.not_done() == set()
    (first, second) = status.stages["train"]["notes"]
    assert first.startswith("seed 1 of run lost failed in training: The loss of seed 1 is no longer finite")
    assert second.startswith("seed 2 of run lost")


def test_during_a_run_and_after_it_was_killed(project, tiny):
    longer = {**TINY["training"], "steps": 1_000_000, "dev_every": 100_000}
    config = project.write_config("killed", **{**TINY, "training": longer})
    project.snakemake("--cores", "2", "features", "words", config=config)
    run = [sys.executable, "-m", "snakemake", "--cores", "2", "train", "--configfile", str(config)]
    with subprocess.Popen(
        run, cwd=project.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        until = time.monotonic() + 300
        begun = project.folder / "results/killed/runs/adaptive/1/.unfinished/metrics.jsonl"
        while not begun.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        status = Status(project, config)
        told = call(project, "--configfile", config).stdout
        assert process.poll() is None, "the run was too short to be looked at"
        os.killpg(process.pid, signal.SIGKILL)
        assert f"A run is in progress: process {process.pid} on" in " ".join(told.split())
    assert status.told["locked"]
    assert status.state("train") == "running"
    assert "running now" in status.reasons("train")
    status = Status(project, config)
    assert not status.told["locked"]
    assert (status.state("train"), "was interrupted" in status.reasons("train")) == ("missing", True)


def test_names_with_markup_are_text(project, tiny):
    rows = (project.folder / "tiny.tsv").read_text().splitlines()
    cells = dict(zip(rows[0].split("\t"), rows[1].split("\t"), strict=False))
    (project.folder / "marked.tsv").write_text(
        "\n".join([rows[0], rows[1].replace(cells["description"], "[red]odd[/]"), *rows[2:]]) + "\n"
    )
    config = project.write_config("marked", **TINY)
    project.snakemake("--cores", "2", "descriptions", config=config)
    values = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**values, "classes": "marked.tsv"}))
    status = Status(project, config)
    assert status.state("descriptions") == "stale"
    told = call(project, "--configfile", config).stdout
    assert "[red]odd[/]" in told

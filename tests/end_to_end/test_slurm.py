"""Two real Slurm nodes on this machine, one of which dies, leave what one computer leaves by itself."""

import os
import subprocess
import sys
import time

import pytest
from same_bytes import differing
from slurm_cluster import slurm_cluster
from tiny_runs import TINY, write_classes

pytestmark = pytest.mark.slow
LONGEST_S = 2400
# Several jobs of each kind, and a training that lasts long enough to be killed in its middle.
SPREAD = {
    **TINY,
    "fetch": {**TINY["fetch"], "classes_per_job": 2},
    "features": {**TINY["features"], "classes_per_job": 2},
    "training": {**TINY["training"], "steps": 600, "dev_every": 100},
}
TARGETS = ("messages", "summary", "language")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with slurm_cluster(tmp_path_factory.mktemp("slurm") / "cluster") as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


def submitting(project, config, *arguments):
    """Start Snakemake with the profile; what is said of jobs is asked of squeue, as this Slurm keeps no accounts."""
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm"]
    command += ["--configfile", str(config)] if config else []
    command += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2"]
    return subprocess.Popen(
        [*command, "--latency-wait", "5", *arguments],
        cwd=project.folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def node_in_training(cluster, process, runs):
    """Wait until a training has come some way, and return its node; empty if there is none."""
    until = time.monotonic() + LONGEST_S / 2
    while process.poll() is None and time.monotonic() < until:
        for job, node, state in cluster.jobs():
            log = runs / job.rpartition("_")[2] / ".unfinished/metrics.jsonl"
            trains = job.startswith("rule_train_run") and state == "RUNNING" and log.exists()
            if trains and log.read_text().count("\n") > 20:
                return node
        time.sleep(0.2)
    return ""


@pytest.fixture(scope="module")
def finished_on_nodes(another_project, cluster):
    """The experiment by itself and on two nodes, one of which was killed while it trained; and that one's name."""
    if not os.environ.get("PARLEY_LONG"):
        pytest.skip("takes 8 to 20 minutes; PARLEY_LONG=1 runs it")
    alone, spread = another_project(), another_project()
    for project in (alone, spread):
        write_classes(project.folder)
    alone.snakemake("--cores", "2", *TARGETS, config=alone.write_config("spread", **SPREAD))
    config = spread.write_config("spread", **SPREAD)
    with submitting(spread, config, *TARGETS) as process:
        try:
            node = node_in_training(cluster, process, spread.folder / "results/spread/runs/adaptive")
            if node:
                cluster.kill_node(node)
            told, _ = process.communicate(timeout=LONGEST_S)
        finally:
            process.kill()
    assert node, told[-6000:]
    assert process.returncode == 0, told[-6000:]
    return alone, spread, node


def test_two_nodes_write_the_same_files_as_one_computer_although_one_dies(finished_on_nodes, cluster):
    alone, spread, dead = finished_on_nodes
    assert differing(alone.folder, spread.folder) == []
    assert cluster.states()[dead].startswith("down")
    # What died with its node is not done twice: the training went on where it was saved.
    logs = (spread.folder / "results/spread/logs/train_run").glob("*.log")
    assert any("continues from there" in path.read_text() for path in logs)


@pytest.mark.usefixtures("finished_on_nodes")
def test_images_and_features_are_made_on_both_nodes(cluster):
    for rule in ("fetch_images", "extract_features"):
        assert {where for job, where, _ in cluster.jobs() if job.startswith(f"rule_{rule}_")} == {"node1", "node2"}


@pytest.mark.usefixtures("finished_on_nodes")
def test_small_rules_wait_in_no_queue(cluster):
    named = [job for job, _, _ in cluster.jobs()]
    assert not any("summarise" in job or "settle" in job for job in named)
    assert sum("after_training" in job for job in named) == len(SPREAD["seeds"])


def test_training_on_cuda_asks_slurm_for_a_gpu(finished_on_nodes, cluster):
    _, spread, _ = finished_on_nodes
    config = spread.write_config("spread", **{**SPREAD, "training": {**SPREAD["training"], "device": "cuda"}})
    with submitting(spread, config, "train", "--retries", "0", "--forcerun", "train_run") as process:
        process.communicate(timeout=LONGEST_S)
    # Slurm believed that there was a GPU; whether torch found one is another matter.
    said = cluster.command("squeue", "--noheader", "--states=all", "--Format=comment:200,tres-per-job:20")
    asked = {(job.startswith("rule_train_run"), gpus) for job, gpus in map(str.split, said.splitlines())}
    assert asked == {(False, "N/A"), (True, "N/A"), (True, "gres:gpu:1")}


@pytest.mark.skipif(not os.environ.get("PARLEY_LONG"), reason="takes half an hour; PARLEY_LONG=1 runs it")
def test_the_default_experiment_across_two_nodes(another_project, tmp_path):
    alone, spread = another_project(), another_project()
    alone.snakemake("--cores", "2")
    with slurm_cluster(tmp_path / "cluster") as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        with submitting(spread, None) as process:
            try:
                told, _ = process.communicate(timeout=2 * LONGEST_S)
            finally:
                process.kill()
        assert process.returncode == 0, told[-6000:]
        assert {where for job, where, _ in running.jobs() if job.startswith("rule_train_run")} == {"node1", "node2"}
    assert differing(alone.folder, spread.folder) == []


def test_slurm_jobs_reuse_classes_of_another_set(another_project, cluster):
    project = another_project()
    write_classes(project.folder)
    project.snakemake("--cores", "2", "features", config=project.write_config("tiny", **TINY))
    header, *rows = (project.folder / "tiny.tsv").read_text().splitlines()
    everything = (project.folder / "config/classes/world.tsv").read_text().splitlines()
    new = next(row for row in everything[1:] if "\tin\t" in row and row not in rows)
    (project.folder / "other.tsv").write_text("\n".join([header, new, *rows[1:]]) + "\n")
    config = project.write_config("other", **{**TINY, "classes": "other.tsv"})
    with submitting(project, config, "features") as process:
        told, _ = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 0, told[-6000:]
    submitted = {job for job, _, _ in cluster.jobs()}
    for stage in ("fetch_images", "hash_images", "extract_features"):
        assert {f"rule_{stage}_0000", f"rule_{stage}_reused"} <= submitted
    log = (project.folder / "results/other/logs/extract_features/0000.log").read_text()
    assert "images of 1 classes" in log
    assert project.planned(config, "features") == set()

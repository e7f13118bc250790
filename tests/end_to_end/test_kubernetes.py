"""An experiment of which all files lie in an object store is the experiment of one disk, though a pod is killed.

One folder makes the images, as a computer does that has the pictures. All that follows is made in pods, by the profile
for Kubernetes, which have nothing but the store. The store is a real server on loopback; the API is a stand-in that
runs each pod as a process in a folder of its own.
"""

import os
import threading
import time

import pytest
from kube_api import kubernetes
from object_store import KEYS, object_store
from pods import in_git, stored, submit
from same_bytes import differing
from tiny_runs import TINY, write_classes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("PARLEY_LONG"), reason="takes minutes; PARLEY_LONG=1 runs it"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with object_store(tmp_path_factory.mktemp("store") / "log") as running:
        yield running


def what_pods_have(folder):
    """Variables that lead to this environment as to an image's, with a pip for which all is there already."""
    pip = folder / "bin/pip"
    pip.parent.mkdir(parents=True)
    pip.write_text("#!/bin/sh\nexit 0\n")
    pip.chmod(0o755)
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return {**kept, "PATH": f"{pip.parent}:{os.environ['PATH']}", "HOME": str(folder)}


def kill_one_in_training(cluster, killed):
    """Kill the first pod that trains, a moment after it began."""
    while not killed:
        time.sleep(0.1)
        training = [pod for pod in [*cluster.pods.values()] if "train_run" in " ".join(pod.container["args"])]
        for pod in [pod for pod in training if pod.process is not None][:1]:
            time.sleep(2)
            pod.kill()
            killed.append(pod.name)


def test_pods_with_shared_storage_write_the_same_files_as_one_computer(
    finished, another_project, store, tmp_path, monkeypatch
):
    first, spread = another_project(), another_project()
    for project in (first, spread):
        write_classes(project.folder)
        project.write_config("stored", **TINY, experiment="tiny")
    in_git(spread.folder)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    unshared = ["--default-storage-provider", "s3", "--shared-fs-usage", "none", *stored(store)]
    first.snakemake(*unshared, "--cores", "2", "splits", config="stored.yaml")
    assert not (first.folder / "results").exists()

    killed = []
    with kubernetes(tmp_path / "cluster", what_pods_have(tmp_path / "image")) as cluster:
        threading.Thread(target=kill_one_in_training, args=(cluster, killed), daemon=True).start()
        told = submit(spread.folder, cluster, store)
        assert not cluster.pods
        assert not cluster.secrets
    assert killed
    assert told.count("Trying to restart job") == 1
    assert "Fetching the images" not in told
    assert not (spread.folder / "results").exists()
    store.download("parley", "here/", tmp_path / "stored")
    assert differing(finished.folder, tmp_path / "stored", below=("results",)) == []

"""Snakemake with the profile for Kubernetes, against a stand-in of its API and a store on loopback."""

import os
import subprocess
import sys
from pathlib import Path

from kube_api import Cluster
from object_store import KEYS, ObjectStore

LONGEST_S = 2400
PREFIX = "s3://parley/here"


def in_git(folder: Path) -> None:
    """Make a repository of a project: what goes to the pods is what git knows."""
    for command in (["git", "init", "-q"], ["git", "add", "--all"]):
        subprocess.run(command, cwd=folder, check=True)


def stored(store: ObjectStore) -> list[str]:
    """Arguments that say which store holds all files."""
    return ["--default-storage-prefix", PREFIX, "--storage-s3-endpoint-url", store.address]


def submit(folder: Path, cluster: Cluster, store: ObjectStore, *arguments: str) -> str:
    """Make the experiment of `stored.yaml` in pods; return what Snakemake told."""
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/kubernetes", "--configfile", "stored.yaml"]
    command += [*stored(store), "--seconds-between-status-checks", "1", *arguments]
    kubeconfig = {"KUBECONFIG": str(cluster.folder.parent / "kubeconfig")}
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | KEYS | kubeconfig,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LONGEST_S,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout

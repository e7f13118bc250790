"""A real Slurm of two nodes on this machine: munge, a controller and two node daemons, all in one folder."""

import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NODES = ("node1", "node2")
LIVES_S = 7200
"""Daemons end with the tests; left alone, they end by then."""
READY_S = 60
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue")
# Debian keeps daemons where only root's PATH looks.
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])

CONFIG = """
ClusterName=parley
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
# The emptier node first, so that both have work.
SelectTypeParameters=CR_CPU_Memory,CR_LLN
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
# As much as is asked for, whatever this machine has.
SlurmdParameters=config_overrides
# A node that does not answer for so long is dead; 300 where nobody waits for a test.
SlurmdTimeout=10
# Jobs that ended stay to be asked about.
MinJobAge=86400
GresTypes=gpu
"""


class SlurmCluster:
    """Two nodes that answer to Slurm's commands under `environment`.

    Parameters
    ----------
    folder
        Configuration, keys, sockets, spools and logs lie there; nothing is written elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        commands = folder / "bin"
        commands.mkdir(parents=True)
        srun = commands / "srun"
        # Within a job Snakemake's plugin strips SLURM_CONF; on a cluster the file lies where Slurm looks by itself.
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {found("srun")} "$@"\n')
        srun.chmod(0o755)
        self.environment = {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        }

    def start(self) -> None:
        """Start all daemons, and wait until both nodes are idle."""
        self._write_config()
        munge = ["--foreground", "--force", "--num-threads=2"]
        for name in ("socket", "pid-file", "log-file", "seed-file", "key-file"):
            munge.append(f"--{name}={self.folder}/munge.{name.removesuffix('-file')}")
        self._run("munged", munge)
        self._wait(lambda: (self.folder / "munge.socket").exists(), "munge has no socket")
        self._run("slurmctld", ["-D"])
        for node in NODES:
            self.start_node(node)
        self._wait(lambda: self.states() == dict.fromkeys(NODES, "idle"), "the nodes are not idle")

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self._run(node, ["-D", "-N", node], program="slurmd")

    def kill_node(self, node: str) -> None:
        """Kill a node's daemon and all that runs on it, as a power cut would: nothing is told."""
        _kill(self._daemons.pop(node))
        self._kill_processes_of(node)

    def command(self, *arguments: str) -> str:
        """Run one of Slurm's commands and return what it says."""
        done = subprocess.run(
            arguments,
            env={**os.environ, **self.environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=READY_S,
            check=False,
        )
        return done.stdout

    def states(self) -> dict[str, str]:
        """Return the state of each node."""
        lines = self.command("sinfo", "--noheader", "--Node", "--format=%N %t").splitlines()
        return dict(line.split(" ", 1) for line in lines if line.startswith(NODES))

    def jobs(self) -> list[tuple[str, str, str]]:
        """Return the comment, node and state of every job so far, in order; the comment names the rule."""
        lines = self.command("squeue", "--noheader", "--states=all", "--sort=i", "--format=%k|%N|%T").splitlines()
        return [tuple(line.split("|")) for line in lines if line.count("|") == 2]  # type: ignore[misc]

    def stop(self) -> None:
        """End everything that was started, whatever became of it."""
        for daemon in self._daemons.values():
            _kill(daemon)
        for node in NODES:
            self._kill_processes_of(node)

    def _write_config(self) -> None:
        ports = free_ports(1 + len(NODES))
        text = CONFIG.format(port=ports[0], folder=self.folder, user=getpass.getuser())
        host = socket.gethostname().split(".")[0]
        each = f"NodeHostname={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=16000 Gres=gpu:1"
        for node, port in zip(NODES, ports[1:], strict=True):
            text += f"NodeName={node} Port={port} {each}\n"
            (self.folder / node).mkdir()
        text += f"PartitionName=main Nodes={','.join(NODES)} Default=YES MaxTime=INFINITE State=UP\n"
        (self.folder / "slurm.conf").write_text(text)
        # A stand-in, so that a GPU can be asked for where there is none.
        (self.folder / "gres.conf").write_text(f"NodeName={','.join(NODES)} Name=gpu File=/dev/null\n")
        (self.folder / "state").mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)

    def _run(self, name: str, arguments: list[str], program: str = "") -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self._daemons[name] = subprocess.Popen(
                ["timeout", "--signal=KILL", str(LIVES_S), found(program or name), *arguments],
                # Where a node's daemon is, the daemons of its jobs' steps are too: it is what they are known by.
                cwd=self.folder / name if name in NODES else self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def _kill_processes_of(self, node: str) -> None:
        """Kill what a node's daemon has started: the daemons of steps, and the jobs."""
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and self._is_of(process, node):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process.name), signal.SIGKILL)

    def _is_of(self, process: Path, node: str) -> bool:
        try:
            if (process / "cwd").readlink() == self.folder / node:
                return True
            environment = (process / "environ").read_bytes()
        except OSError:  # It has ended, or is somebody else's.
            return False
        return f"SLURMD_NODENAME={node}\0".encode() in environment and f"{self.folder}/".encode() in environment

    def _wait(self, ready: Callable[[], bool], complaint: str) -> None:
        until = time.monotonic() + READY_S
        while not ready():
            if time.monotonic() > until:
                logs = "\n".join(path.read_text()[-2000:] for path in sorted(self.folder.glob("*.log")))
                raise RuntimeError(f"After {READY_S} s {complaint}.\n{logs}")
            time.sleep(0.2)


def _kill(daemon: subprocess.Popen[bytes]) -> None:
    """Kill a daemon, so that the `timeout` that started it ends as well, and what the daemon leaves behind."""
    children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children")
    for child in children.read_text().split() if children.exists() else []:
        os.kill(int(child), signal.SIGKILL)
    daemon.wait(timeout=READY_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(daemon.pid, signal.SIGKILL)


def found(program: str) -> str:
    """Return the path of a program; empty where there is none."""
    return shutil.which(program, path=SEARCHED) or ""


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[SlurmCluster]:
    """Run a cluster in a folder, made for it; skip the test where Slurm is not installed."""
    missing = [program for program in PROGRAMS if not found(program)]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here; Debian: apt-get install slurm-wlm munge")
    cluster = SlurmCluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()

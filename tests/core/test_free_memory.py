"""What a process may still take is what the machine has free or what its control groups leave, whichever is less."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.core.free_memory import free_memory

MACHINE = "MemTotal: 9000000 kB\nMemAvailable: 4000000 kB\n"


def made(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def version_1(folder, limit, used, reclaimable=0):
    stat = f"cache 5\ninactive_file 7\ntotal_inactive_file {reclaimable}\n"
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")
    return {
        f"sys/fs/cgroup/memory{folder}/{name}": str(text) for name, text in zip(names, (limit, used, stat), strict=True)
    }


def version_2(folder, limit, used, reclaimable=0):
    names = ("memory.max", "memory.current", "memory.stat")
    texts = (f"{limit}\n", f"{used}\n", f"anon 3\ninactive_file {reclaimable}\n")
    return {f"sys/fs/cgroup{folder}/{name}": text for name, text in zip(names, texts, strict=True)}


def test_without_cgroups_the_memory_of_the_machine_counts(tmp_path):
    assert free_memory(made(tmp_path, {"proc/meminfo": MACHINE})) == 4_096_000_000


def test_unknown_free_memory_is_none(tmp_path):
    assert free_memory(tmp_path) is None
    assert free_memory(made(tmp_path, {"proc/meminfo": "MemTotal: 1 kB\n", "proc/self/cgroup": "0::/\n"})) is None


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        # Its own group; what files are in it for reading only can be had.
        (
            {"proc/self/cgroup": "0::/job\n", **version_2("/job", 3_000_000_000, 900_000_000, 400_000_000)},
            2_500_000_000,
        ),
        # No limit of its own, one of the group above.
        (
            {"proc/self/cgroup": "0::/job/step\n", **version_2("/job/step", "max", 5), **version_2("/job", 1000, 400)},
            600,
        ),
        # More is used than is allowed, as for a moment after a limit was lowered.
        ({"proc/self/cgroup": "0::/job\n", **version_2("/job", 1000, 1400)}, 0),
        # Version 1 beside others, and a number that stands for no limit.
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/slurm/job_7\n0::/x\n",
                **version_1("/slurm/job_7", 2_000_000_000, 600_000_000, 100_000_000),
                **version_1("", 9223372036854771712, 700_000_000),
            },
            1_500_000_000,
        ),
        # In a container the path is one of the host, and the group is the uppermost that is seen.
        ({"proc/self/cgroup": "4:memory:/docker/0a1b\n", **version_1("", 800_000_000, 300_000_000)}, 500_000_000),
        # The machine has less than the group may have.
        ({"proc/self/cgroup": "0::/job\n", **version_2("/job", 10**13, 0)}, 4_096_000_000),
    ],
)
def test_cgroups_limit_the_free_memory(tmp_path, groups, expected):
    assert free_memory(made(tmp_path, {"proc/meminfo": MACHINE, **groups})) == expected


@given(st.text(max_size=60), st.text(max_size=40))
def test_malformed_system_files_raise_no_error(tmp_path_factory, groups, numbers):
    files = {
        "proc/self/cgroup": f"0::/job\n{groups}",
        "proc/meminfo": numbers,
        "sys/fs/cgroup/job/memory.max": numbers,
    }
    found = free_memory(made(tmp_path_factory.mktemp("odd"), files))
    assert found is None or found >= 0


@pytest.fixture
def group():
    """A real control group below this process's own, of at most 400 MB."""
    line = next((one for one in Path("/proc/self/cgroup").read_text().splitlines() if ":memory:" in one), "")
    own = Path("/sys/fs/cgroup/memory", line.rpartition(":")[2].lstrip("/"))
    folder = own / f"parley-test-{os.getpid()}"
    if not line or not os.access(own, os.W_OK):
        pytest.skip("no control group of version 1 can be made here")
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text("400000000")
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    yield folder
    folder.rmdir()


def test_memory_over_the_limit_of_a_real_cgroup_is_reported(group):
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, pathlib, sys\n"
            "pathlib.Path(sys.argv[1], 'cgroup.procs').write_text(str(os.getpid()))\n"
            "from parley.core.errors import ParleyError\n"
            "from parley.core.free_memory import free_memory\n"
            "from parley.config.memory_budget import require_memory\n"
            "print(free_memory())\n"
            "try:\n    require_memory(1000, 10, 10_000, 'test')\n"
            "except ParleyError as error:\n    print(error)\n",
            str(group),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.splitlines()
    assert 100e6 < int(said[0]) < 400e6
    assert re.search(r"need 1.2 GB of memory, but [123]\d\d\.\d MB is free", said[1])

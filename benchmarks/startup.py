"""How long it takes to find that nothing is to be done, and to plan the paper's experiment.

Run it after the default experiment: uv run python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time

RUNS = 5
COMMANDS = {
    "running the default experiment again": ["--cores", "all"],
    "dry run of config/mammals70.yaml": ["-n", "--configfile", "config/mammals70.yaml"],
}


def seconds_of(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "snakemake", *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


for name, arguments in COMMANDS.items():
    taken = [seconds_of(arguments) for _ in range(RUNS)]
    print(f"{name}: median {statistics.median(taken):.1f} s of {RUNS} ({min(taken):.1f} to {max(taken):.1f})")

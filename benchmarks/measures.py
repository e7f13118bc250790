"""How long all measures of a finished experiment take: the target `metrics`, with everything measured anew.

Run it after the default experiment: uv run python benchmarks/measures.py [--cores N] [--configfile PATH]
"""

import argparse
import subprocess
import sys
import time

RULES = (
    "analyse_run",
    "measure_language",
    "measure_difficulty",
    "intervene_run",
    "measure_agreement",
    "compare_runs",
    "summarise",
)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--cores", default="all")
parser.add_argument("--configfile")
chosen = parser.parse_args()
config = ["--configfile", chosen.configfile] if chosen.configfile else []
command = [sys.executable, "-m", "snakemake", "--cores", chosen.cores, "metrics"]
# What comes before has to be there already: its time is another matter.
subprocess.run([*command, *config], check=True, capture_output=True)
started = time.perf_counter()
subprocess.run([*command, "--forcerun", *RULES, *config], check=True, capture_output=True)
print(f"metrics: {time.perf_counter() - started:.1f} s on {chosen.cores} cores")

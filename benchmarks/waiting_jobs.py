"""What Snakemake itself takes while many jobs wait: with its limit of jobs a second, and without, as the workflow is.

uv run python benchmarks/waiting_jobs.py [--jobs 300] [--inputs 6] [--seconds 60]

Jobs that sleep for a second, two at a time, with inputs of their own. The two are run for the same time, one after the
other; figures are processor time of Snakemake and of the starts of its jobs, for each job done.
"""

import argparse
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RULES = """
rule all:
    input: expand("out/{{job}}.txt", job=range({jobs}))
rule one:
    input: lambda wildcards: [f"in/{{wildcards.job}}_{{place}}.txt" for place in range({inputs})]
    output: "out/{{job}}.txt"
    shell: "sleep 1; touch {{output}}"
"""
WITHOUT = """
onstart:
    workflow.scheduler.job_rate_limiter = None
"""


def taken(folder: Path, rules: str, seconds: float) -> tuple[int, float]:
    """Jobs done and seconds of processors in some time."""
    (folder / "Snakefile").write_text(rules)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        time.sleep(seconds)
        running.send_signal(signal.SIGINT)
        running.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = len(list((folder / "out").iterdir()))
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--inputs", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    rules = RULES.format(jobs=chosen.jobs, inputs=chosen.inputs)
    for name, text in (("with the limit", rules), ("without", rules + WITHOUT)):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            (folder / "in").mkdir()
            for job in range(chosen.jobs):
                for place in range(chosen.inputs):
                    (folder / f"in/{job}_{place}.txt").touch()
            done, cpu_s = taken(folder, text, chosen.seconds)
        print(
            f"{name:15} {done:4} jobs done, {cpu_s:6.1f} s of processors, {cpu_s / max(done, 1):.2f} s a job",
            flush=True,
        )


if __name__ == "__main__":
    main()

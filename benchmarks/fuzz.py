"""Give every parser damaged and hostile files for as long as there is time: `python benchmarks/fuzz.py [options]`.

Each parser runs in a process of its own that may take so much memory, and so long for one file, and no more. What it
raises besides a `ParleyError`, what takes too long, too much memory, or kills the process, is told with the file.
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]
MORE_MEMORY_BYTES = 1 << 30
"""What reading a file of some kilobytes may take beyond what the libraries take."""
LONGEST_S = 20.0
"""What reading one may take, on a machine that is busy."""
OVERHEAD_S = 120


def main() -> None:
    """Run the targets named, or all, one after another."""
    import fuzz_targets

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="time for each parser")
    parser.add_argument("--seed", type=int, default=None, help="of the examples; drawn where not given")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(fuzz_targets.BY_NAME)}")
    asked = parser.parse_args()
    seed = time.time_ns() % 1_000_000 if asked.seed is None else asked.seed
    if asked.worker:
        work(asked.worker, asked.seconds, seed)
        return
    print(f"seed {seed}")
    failed = [name for name in asked.targets or fuzz_targets.BY_NAME if not supervise(name, asked.seconds, seed)]
    print(f"failed: {', '.join(failed) or 'none'}")
    sys.exit(bool(failed))


def supervise(name: str, seconds: float, seed: int) -> bool:
    """Run one target's worker; return whether all went well."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--worker", name, "--seconds", str(seconds), "--seed", str(seed)]
        last = Path(folder) / "file"
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds + OVERHEAD_S)
        except subprocess.TimeoutExpired:  # No alarm reaches a library that comes back to Python never.
            print(f"{name}: hangs; the file is kept as {keep(last, name, seed)}", flush=True)
            return False
        if done.returncode < 0 and last.exists():
            print(
                f"{name}: killed by signal {-done.returncode}; the file is kept as {keep(last, name, seed)}", flush=True
            )
            return False
    try:
        told = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        print(f"{name}: {done.stderr[-3000:]}")
        return False
    refused = told["refused"] / max(told["tried"], 1)
    print(f"{name}: {told['tried']} files in {told['seconds']:.0f} s, {refused:.0%} refused", flush=True)
    for failure in told["failures"]:
        print(f"  {failure}")
    return not told["failures"]


def keep(file: Path, name: str, seed: int) -> Path:
    """Copy a file to where it stays, and return that."""
    kept = ROOT / ".fuzz" / f"{name}-{seed}"
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(file.read_bytes())
    return kept


class TooLongError(Exception):
    """One file takes too long."""


def work(name: str, seconds: float, seed: int) -> None:
    """Try files until the time is over or one fails."""
    import logging
    import traceback
    import warnings

    import fuzz_targets
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from mutations import damaged

    from parley.core.errors import ParleyError

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    target, path = fuzz_targets.BY_NAME[name], Path("file")
    target.make(path)
    target.read(path)
    valid = path.read_bytes()
    limit_memory()
    counts = {"tried": 0, "refused": 0}
    started, failures = time.monotonic(), []

    def attempt(content: bytes) -> None:
        if time.monotonic() - started > seconds:
            return
        path.write_bytes(content)
        counts["tried"] += 1
        signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
        try:
            target.read(path)
        except ParleyError as error:
            counts["refused"] += 1
            if not all(sentence.strip() for sentence in error.findings or [""]):
                raise AssertionError("an error without a sentence") from error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def too_long(*_: object) -> None:
        raise TooLongError(f"longer than {LONGEST_S} s")

    signal.signal(signal.SIGALRM, too_long)
    limits = settings(
        max_examples=100,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    while time.monotonic() - started < seconds and not failures:
        try:
            seeded(seed)(limits(given(damaged(valid))(attempt)))()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            frames = traceback.extract_tb(error.__traceback__)
            ours = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames if "/parley/" in frame.filename]
            kept = keep(path, name, seed)
            failures.append(f"{type(error).__name__}: {str(error)[:200]} at {' '.join(ours)}; kept as {kept}")
        seed += 1
    print(json.dumps({**counts, "seconds": time.monotonic() - started, "failures": failures}))


def limit_memory() -> None:
    """Allow this process little more memory than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MORE_MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()

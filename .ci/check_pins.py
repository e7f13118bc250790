"""Check the installed packages against the pins in pyproject.toml and against known vulnerabilities.

`python .ci/check_pins.py FROZEN`, where FROZEN is the output of `uv pip freeze`. pip-audit looks the vulnerabilities
up; without access to its service the check passes and reports that nothing was looked up.

`python .ci/check_pins.py --write` writes the pins to constraints.txt, for pip.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONSTRAINT_LINES: list[str] = PROJECT["tool"]["uv"]["constraint-dependencies"]
CONSTRAINTS = ROOT / "constraints.txt"
PIP_AUDIT = "pip-audit==2.10.1"
TIMEOUT_S = 300
PINNED_BY_TORCH = re.compile(r"(nvidia|cuda)-|triton$")
"""Packages that CUDA builds of torch require in exact versions."""
PIN = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)")
NAME = re.compile(r"[\w.-]+")


def pins() -> dict[str, str]:
    """Return the version of every package that pyproject.toml pins, direct dependency or not."""
    return exact_versions([*requirements(), *CONSTRAINT_LINES])


def exact_versions(lines: list[str]) -> dict[str, str]:
    """Return the version of each package that has an exact one in these requirements."""
    return {match[1].lower(): match[2] for match in map(PIN.match, lines) if match}


def requirements() -> list[str]:
    """Return the direct dependencies, including those of the extras."""
    project = PROJECT["project"]
    return [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]


def constraints() -> str:
    """Return the text of constraints.txt."""
    lines = [f"{name}=={version}" for name, version in sorted(pins().items())]
    about = "# Made from pyproject.toml by `python .ci/check_pins.py --write`: the versions that the tests passed with."
    return "\n".join([about, *lines, ""])


def pin_errors() -> list[str]:
    """Return a message for each direct dependency without a pin, and one if constraints.txt is out of date."""
    ranges = [match[0].lower() for line in requirements() if not PIN.match(line) and (match := NAME.match(line))]
    pinned = exact_versions(CONSTRAINT_LINES)
    found = [f"pyproject.toml does not pin {name} in constraint-dependencies." for name in ranges if name not in pinned]
    if not CONSTRAINTS.is_file() or CONSTRAINTS.read_text(encoding="utf-8") != constraints():
        found.append("constraints.txt is out of date; run `python .ci/check_pins.py --write`.")
    return found


def installation_errors(frozen: str) -> list[str]:
    """Return a message for each installed package that is not pinned, or pinned in another version."""
    versions = pins()
    installed = (match for match in map(PIN.match, frozen.splitlines()) if match)
    # The part after "+" names the build, such as cpu.
    return [
        f"{one[1]} {one[2]} is installed; pyproject.toml pins {versions.get(one[1].lower(), 'none')}."
        for one in installed
        if versions.get(one[1].lower()) != one[2].partition("+")[0] and not PINNED_BY_TORCH.match(one[1])
    ]


def audit(path: Path) -> tuple[list[str], str]:
    """Return the known vulnerabilities, and a sentence on how many packages were looked up."""
    command = ["uvx", PIP_AUDIT, "--disable-pip", "--no-deps", "--format", "json", "--requirement", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603
        packages = json.loads(done.stdout)["dependencies"]
    except (FileNotFoundError, subprocess.TimeoutExpired, json.JSONDecodeError):
        return [], "The vulnerability service cannot be reached: nothing was looked up."
    looked_up = [one for one in packages if "skip_reason" not in one]
    found = [
        f"{one['name']} {one['version']}: {known['id']}, fixed in {', '.join(known['fix_versions']) or 'none'}."
        for one in looked_up
        for known in one["vulns"]
    ]
    return found, f"Looked up known vulnerabilities of {len(looked_up)} of {len(packages)} packages."


def main() -> None:
    """Print what is wrong, and exit with 1 if anything is."""
    if sys.argv[1] == "--write":
        CONSTRAINTS.write_text(constraints(), encoding="utf-8")
        return
    path = Path(sys.argv[1])
    errors = [*pin_errors(), *installation_errors(path.read_text(encoding="utf-8"))]
    vulnerabilities, coverage = audit(path)
    sys.stdout.writelines(f"{line}\n" for line in [coverage, *errors, *vulnerabilities])
    sys.exit(bool(errors or vulnerabilities))


if __name__ == "__main__":
    main()

"""Hold what is installed to what pyproject.toml pins, and ask a public service whether any of it has a known weakness.

`python .ci/check_pins.py <file of uv pip freeze>`. The service is asked by pip-audit; what it could not be asked is
counted and said, and is no failure: a machine without a way to it must be able to run the checks.

constraints.txt has the pins for pip; `python .ci/check_pins.py --write` writes it.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONSTRAINED: list[str] = PROJECT["tool"]["uv"]["constraint-dependencies"]
CONSTRAINTS = ROOT / "constraints.txt"
PIP_AUDIT = "pip-audit==2.10.1"
LONGEST_S = 300
BY_TORCH = re.compile(r"(nvidia|cuda)-|triton$")
"""What torch asks for in exact versions, and only where there are wheels with CUDA."""
PIN = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)")
NAME = re.compile(r"[\w.-]+")


def pins() -> dict[str, str]:
    """Return the version of every package that pyproject.toml pins, directly or for another's sake."""
    return pinned([*requirements(), *CONSTRAINED])


def pinned(lines: list[str]) -> dict[str, str]:
    """Return the version of each package that one of some requirements pins."""
    return {match[1].lower(): match[2] for match in map(PIN.match, lines) if match}


def requirements() -> list[str]:
    """Return the direct dependencies, those of the extras among them."""
    project = PROJECT["project"]
    return [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]


def constraints() -> str:
    """Return the text of constraints.txt."""
    lines = [f"{name}=={version}" for name, version in sorted(pins().items())]
    about = "# Made from pyproject.toml by `python .ci/check_pins.py --write`: the versions that the tests passed with."
    return "\n".join([about, *lines, ""])


def unfit() -> list[str]:
    """Return the direct dependencies without a pin, and whether constraints.txt is not current."""
    ranges = [match[0].lower() for line in requirements() if not PIN.match(line) and (match := NAME.match(line))]
    held = pinned(CONSTRAINED)
    found = [f"pyproject.toml does not pin {name} in constraint-dependencies." for name in ranges if name not in held]
    if not CONSTRAINTS.is_file() or CONSTRAINTS.read_text(encoding="utf-8") != constraints():
        found.append("constraints.txt is not current; run `python .ci/check_pins.py --write`.")
    return found


def unpinned(frozen: str) -> list[str]:
    """Return what is installed and not pinned, or in another version."""
    known = pins()
    installed = (match for match in map(PIN.match, frozen.splitlines()) if match)
    # A wheel's local version tells how it was built, not what it is.
    return [
        f"{one[1]} {one[2]} is installed; pyproject.toml pins {known.get(one[1].lower(), 'none')}."
        for one in installed
        if known.get(one[1].lower()) != one[2].partition("+")[0] and not BY_TORCH.match(one[1])
    ]


def audited(path: Path) -> tuple[list[str], str]:
    """Return what is known of weaknesses, and how many packages could be asked about."""
    command = ["uvx", PIP_AUDIT, "--disable-pip", "--no-deps", "--format", "json", "--requirement", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)  # noqa: S603
        packages = json.loads(done.stdout)["dependencies"]
    except (FileNotFoundError, subprocess.TimeoutExpired, json.JSONDecodeError):
        return [], "The service of known weaknesses cannot be reached from here: nothing was asked."
    asked = [one for one in packages if "skip_reason" not in one]
    found = [
        f"{one['name']} {one['version']}: {weakness['id']}, mended in {', '.join(weakness['fix_versions']) or 'none'}."
        for one in asked
        for weakness in one["vulns"]
    ]
    return found, f"Of {len(packages)} packages the service of known weaknesses could tell of {len(asked)}."


def main() -> None:
    """Check, tell, and fail where something is wrong."""
    if sys.argv[1] == "--write":
        CONSTRAINTS.write_text(constraints(), encoding="utf-8")
        return
    path = Path(sys.argv[1])
    wrong = [*unfit(), *unpinned(path.read_text(encoding="utf-8"))]
    weaknesses, told = audited(path)
    sys.stdout.writelines(f"{line}\n" for line in [told, *wrong, *weaknesses])
    sys.exit(bool(wrong or weaknesses))


if __name__ == "__main__":
    main()

"""The Containerfile, followed line by line in a bare Debian below a folder: what a builder of images does, without one.

`debootstrap` gives the base, `chroot` runs the commands. What this machine needs to reach its package registries is
lent to the commands and is no part of what they make: the environment, certificates, and the settings of apt and pip.
Volumes are mounted in a namespace that goes with the command: no kill leaves one mounted, for a cleaner of temporary
folders to empty.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

BASES = {"debian:12-slim": "bookworm"}
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
OF_THE_HOST = {"PATH", "HOME", "PYTHONPATH", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "LD_LIBRARY_PATH"}
"""Variables that say where things lie on this machine."""
LENT = "/lent"
"""Where what is lent lies inside."""


def instructions(path: Path) -> Iterator[tuple[str, str]]:
    """Each instruction of a Containerfile and what follows it, comments left out and lines joined."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            name, rest = line.split(None, 1)
            yield name, rest


class Image:
    """What has been made so far: a root folder, variables, and the folder that commands start in."""

    def __init__(self, root: Path, project: Path) -> None:
        self.root, self.project = root, project
        self.variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        self.folder = "/"

    def run(self, command: str, volumes: Mapping[str, Path] | None = None) -> str:
        """Run a shell command inside, with what the machine lends; return what it told."""
        lent = {name: value for name, value in os.environ.items() if name not in OF_THE_HOST}
        lent = {name: value.replace(str(CERTIFICATES), f"{LENT}/{CERTIFICATES.name}") for name, value in lent.items()}
        done = subprocess.run(
            self.entering(["/bin/sh", "-c", command], volumes or {}),
            env=lent | self.variables,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}"
        return done.stdout

    def entering(self, command: list[str], volumes: Mapping[str, Path]) -> list[str]:
        """The command of this machine that runs one inside, where folders of this machine appear as volumes."""
        lines = [f"mount -t proc proc {self._inside('/proc')}", f"mount -t tmpfs tmpfs {self._inside('/dev/shm')}"]
        lines += [f"mount --bind {shlex.quote(str(here))} {self._inside(there)}" for there, here in volumes.items()]
        inside = f"cd {shlex.quote(self.folder)} && exec {shlex.join(command)}"
        lines += [shlex.join(["exec", "chroot", str(self.root), "/bin/sh", "-c", inside])]
        return ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", "\n".join(lines)]

    def _inside(self, folder: str) -> str:
        """The quoted path of a folder inside, made where it is not there."""
        path = self.root / folder.lstrip("/")
        path.mkdir(parents=True, exist_ok=True)
        return shlex.quote(str(path))

    def follow(self, name: str, rest: str) -> None:
        """Do what one instruction says."""
        if name == "FROM":
            subprocess.run(["debootstrap", "--variant=minbase", BASES[rest], str(self.root), *_mirror()], check=True)
            self._borrow_settings()
        elif name in ("ENV", "ARG"):
            for word in shlex.split(rest):
                key, value = word.split("=", 1)
                self.variables[key] = re.sub(r"\$(\w+)", lambda found: self.variables[found[1]], value)
        elif name == "WORKDIR":
            self.folder = rest
            (self.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                self._copy(self.project / source, self.root / self.folder.lstrip("/") / target)
        elif name == "RUN":
            self.run(rest)
        else:
            raise ValueError(f"An instruction that is not known here: {name}")

    def _borrow_settings(self) -> None:
        """Copy what tells apt and pip of this machine where packages come from, and how to trust that."""
        self._inside(LENT)
        given = [*Path("/etc/apt").rglob("*.sources"), *Path("/etc/apt/apt.conf.d").glob("99*")]
        given += [
            path for path in (Path("/etc/pip.conf"), Path("/etc/resolv.conf"), Path("/etc/hosts")) if path.is_file()
        ]
        for path in given:
            shutil.copy(path, self.root / str(path).lstrip("/"))
        if CERTIFICATES.is_file():
            shutil.copy(CERTIFICATES, self.root / LENT.lstrip("/"))

    def _copy(self, source: Path, target: Path) -> None:
        """As COPY does: of a folder its content, of a file the file, into a folder where one is named."""
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)


def _mirror() -> list[str]:
    """The address that this machine takes its Debian packages from, where it is another than Debian's own."""
    texts = [path.read_text() for path in Path("/etc/apt").rglob("*") if path.suffix in (".list", ".sources")]
    found = re.search(r"^(?:URIs:|deb(?: \[.*\])?) (\S+/debian/?)\s", "\n".join(texts), re.MULTILINE)
    return [found[1]] if found else []

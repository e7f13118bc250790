"""File systems of a few kilobytes, for tests that fill them."""

import os
import subprocess
from pathlib import Path

import pytest


class SmallDisks:
    """Mounts folders as file systems of their own; what it mounted it unmounts."""

    def __init__(self) -> None:
        self._mounted: list[Path] = []

    def mount(self, folder: Path, size_bytes: int) -> None:
        """Make a folder a file system of so many bytes; skip the test where that may not be done."""
        if os.geteuid() != 0:
            pytest.skip("only root may mount a small file system")
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no file system may be mounted here")
        self._mounted.append(folder)

    def make_room(self, folder: Path) -> None:
        """Give a folder plenty of room."""
        subprocess.run(["mount", "-o", "remount,rw,size=64m", str(folder)], check=True)

    def make_read_only(self, folder: Path) -> None:
        """Let nothing be written to a folder."""
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)

    def unmount_last(self) -> None:
        """Unmount the folder that was mounted last, if any."""
        if self._mounted:
            subprocess.run(["umount", "--lazy", str(self._mounted.pop())], check=True)

    def unmount(self) -> None:
        """Unmount them all."""
        while self._mounted:
            self.unmount_last()

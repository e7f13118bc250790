"""Small files that would unfold into more memory than there is, each read under a limit of it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="a limit of memory is set as Linux has it"),
]
BOMB_BYTES = 1 << 30
READER = """
import resource, sys
from pathlib import Path
import fuzz_targets
from parley.core.errors import ParleyError
valid = Path(sys.argv[3])
target = fuzz_targets.BY_NAME[sys.argv[1]]
target.make(valid)
target.read(valid)
most = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + (300 << 20)
resource.setrlimit(resource.RLIMIT_AS, (most, most))
try:
    target.read(Path(sys.argv[2]))
except ParleyError as error:
    print("told:", error)
"""


def told_of(target, bomb, tmp_path):
    """What reading a bomb tells, in a process of little memory; a crash of it fails the test."""
    command = [sys.executable, "-c", READER, target, str(bomb), str(tmp_path / "valid")]
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "PYTHONPATH": paths}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def pieces(byte):
    for _ in range(BOMB_BYTES >> 20):
        yield byte * (1 << 20)


def test_word_vectors_of_one_endless_line(tmp_path):
    bomb = tmp_path / "glove.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("glove.txt", "w") as stream:
        for piece in pieces(b"a"):
            stream.write(piece)
    assert bomb.stat().st_size < BOMB_BYTES / 500
    assert "a line is longer than 1048576 bytes" in told_of("glove", bomb, tmp_path)


def test_a_checkpoint_that_is_packed(tmp_path):
    import fuzz_targets

    fuzz_targets.BY_NAME["checkpoint"].make(tmp_path / "whole.pt")
    bomb = tmp_path / "bomb.pt"
    with (
        zipfile.ZipFile(tmp_path / "whole.pt") as whole,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for entry in whole.infolist():
            with archive.open(entry.filename, "w") as stream:
                for piece in pieces(b"\0") if entry.filename.endswith("data/0") else [whole.read(entry)]:
                    stream.write(piece)
    assert "which torch never does" in told_of("checkpoint", bomb, tmp_path)


def test_a_checkpoint_that_claims_wider_networks_than_it_stores(tmp_path):
    import fuzz_targets

    from parley.training.checkpoint import read_values, save_values

    fuzz_targets.BY_NAME["checkpoint"].make(tmp_path / "whole.pt")
    values = read_values(tmp_path / "whole.pt")
    changes = {
        "its scale of the features has the shapes (8,) and (8,), not (17179869184,)": {"sizes": [1 << 34, 5, 0]},
        "but no stored tensor is that wide": {"game": {**values["game"], "sender_hidden": 1 << 34}},
    }
    for told, change in changes.items():
        save_values(tmp_path / "bomb.pt", {**values, **change})
        assert told in told_of("checkpoint", tmp_path / "bomb.pt", tmp_path)


@pytest.mark.parametrize("target", ["urls", "source-tar"])
def test_a_list_and_a_tar_that_are_nothing_but_zeros(tmp_path, target):
    bomb = tmp_path / "bomb"
    with bomb.open("wb") as stream:
        stream.truncate(BOMB_BYTES)
    told_of(target, bomb, tmp_path)


def test_a_gzipped_list_of_one_endless_line(tmp_path):
    import gzip

    bomb = tmp_path / "urls.gz"
    with gzip.open(bomb, "wb") as stream:
        for piece in pieces(b"a"):
            stream.write(piece)
    told_of("urls", bomb, tmp_path)

"""Files that were damaged between the stage that made them and the one that reads them are refused, and made again."""

import os

import pytest

pytestmark = pytest.mark.slow
RUN = "results/tiny/runs/adaptive/1"


def flipped(content):
    """Turn one bit of a byte in the middle, in a letter or digit where there is one: a change that no format sees."""
    place = next(
        (place for place in range(len(content) // 2, len(content)) if content[place : place + 1].isalnum()),
        len(content) // 2,
    )
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


DAMAGES = {
    "flipped": flipped,
    "cut": lambda content: content[: len(content) * 2 // 3],
    "empty": lambda content: b"",
    "another": lambda content: b"\x89PNG\r\n\x1a\n" + content,
}
# What is damaged, how, and the file of the stage that reads it. From the end of the line to its beginning: the outputs
# of a stage that stops are removed, and the cases that follow need none of them.
CASES = [
    ("results/tiny/summary.json", "flipped", "results/tiny/figures/accuracy-by-part.svg"),
    (f"{RUN}/messages.hdf5", "flipped", f"{RUN}/analysis.json"),
    (f"{RUN}/evaluation.json", "flipped", "results/tiny/summary.json"),
    (f"{RUN}/best.pt", "cut", f"{RUN}/messages.hdf5"),
    (f"{RUN}/best.pt", "flipped", f"{RUN}/evaluation.json"),
    (f"{RUN}/checkpoints/*3.pt", "flipped", f"{RUN}/best.pt"),
    (f"{RUN}/metrics.jsonl", "cut", f"{RUN}/best.pt"),
    ("results/tiny/dev.hdf5", "empty", f"{RUN}/metrics.jsonl"),
    ("results/tiny/train.hdf5", "flipped", f"{RUN}/metrics.jsonl"),
    ("results/tiny/words.hdf5", "flipped", f"{RUN}/metrics.jsonl"),
    ("results/tiny/descriptions.csv", "flipped", "results/tiny/words.hdf5"),
    ("results/tiny/funnel.json", "another", "results/tiny/data_card.md"),
    ("results/tiny/splits.tsv", "flipped", "results/tiny/train.hdf5"),
    ("resources/features/*/*/*.hdf5", "flipped", "results/tiny/train.hdf5"),
    ("resources/images/*/*.tsv", "flipped", "results/tiny/splits.tsv"),
    ("resources/images/*/*.tar", "flipped", "resources/features/*/*/*.hdf5"),
    ("resources/plans/*/plan.tsv", "flipped", "results/tiny/plan.tsv"),
    ("resources/plans/*/candidates.tsv", "cut", "resources/plans/*/plan.tsv"),
]


@pytest.fixture(scope="module")
def project(finished):
    return finished


@pytest.fixture(scope="module")
def config(project):
    return project.folder / "tiny.yaml"


@pytest.mark.parametrize(("pattern", "damage", "reader"), CASES)
def test_a_damaged_file_stops_the_stage_that_reads_it(project, config, pattern, damage, reader):
    path = sorted(project.folder.glob(pattern))[0]
    content, status = path.read_bytes(), path.stat()
    path.write_bytes(DAMAGES[damage](content))
    assert path.read_bytes() != content
    # As a disk does it: the file looks as old as it is.
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    if "*" in reader:
        reader = str(sorted(project.folder.glob(reader))[0].relative_to(project.folder))
    told = project.snakemake("--cores", "2", reader, "--force", config=config, ok=False)
    name = str(path.parent if "checkpoints" in pattern else path).removeprefix(f"{project.folder}/")
    assert f"{name} is damaged: its bytes are no longer those that the stage" in told
    assert "Remove it and run again" in told
    assert "Traceback" not in told
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("results/tiny/splits.tsv", "results/tiny/test.hdf5"),
        ("results/tiny/train.hdf5", f"{RUN}/metrics.jsonl"),
        (f"{RUN}/best.pt", f"{RUN}/evaluation.json"),
    ],
)
def test_the_advice_for_a_damaged_file_works(project, config, name, reader):
    project.snakemake("--cores", "2", name, reader, config=config)
    path = project.folder / name
    content = path.read_bytes()
    path.write_bytes(flipped(content))
    assert f"{name} is damaged" in project.snakemake("--cores", "2", reader, config=config, ok=False)
    path.unlink()
    project.snakemake("--cores", "2", reader, config=config)
    assert path.read_bytes() == content
    assert (project.folder / reader).exists()

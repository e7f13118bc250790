"""A given file is read again if its content changes, even if it has become older, as with `mv` and `cp -p`."""

import os

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.slow

READERS = {
    "dev.hdf5": "import_features",
    "descriptions.csv": "import_descriptions",
    "vectors.txt": "embed_words",
    "attributes.tsv": "write_attributes",
}
"""Given file → the rule that reads it."""
ATTRIBUTES = "results/given/attributes.tsv"
TEXTS = {
    "descriptions.csv": "0,ant,a small ant\n1,bee,a loud bee\n",
    "other.csv": "0,ant,a tiny ant\n1,bee,a noisy bee\n",
    "stop.txt": "a\nant\n",
    "vectors.txt": "small 1 0\nloud 0 1\ntiny 1 1\nnoisy 2 1\nant 1 2\nbee 2 2\n",
    "attributes.tsv": "class\twings\tlarge\nant\t0\t1\nbee\t1\t0\n",
}


@pytest.fixture(scope="module")
def config(project):
    targets = np.repeat([0, 1], 8)
    for part in ("train", "dev", "test"):
        with h5py.File(project.folder / f"{part}.hdf5", "w") as file:
            file["Target"], file["Location"] = targets, np.array([f"{part}/{row}".encode() for row in range(16)])
            file["avgpool_512"] = targets[:, None] + np.random.default_rng(0).normal(size=(16, 8)).astype(np.float32)
    for name, text in TEXTS.items():
        (project.folder / name).write_text(text)
    parts = {part: f"{part}.hdf5" for part in ("train", "dev", "test")}
    made = project.write_config(
        "given",
        source={"kind": "features", "features": {**parts, "descriptions": "descriptions.csv"}},
        descriptions={"evaluation": "other.csv"},
        words={"source": "vectors.txt", "stop_words": "stop.txt", "unknown": "random"},
        game={"message_bits": 4, "max_exchanges": 2},
        training={"steps": 2, "batch_size": 8, "dev_every": 1, "first_checkpoint": 1},
        seeds=[1],
        evaluation={"k": 1, "attributes": "attributes.tsv"},
    )
    project.snakemake("--cores", "2", "evaluate", ATTRIBUTES, config=made)
    return made


# Rules that read another's output would be listed for that, not for their file.
@pytest.mark.parametrize("names", [["dev.hdf5", "vectors.txt", "attributes.tsv"], ["descriptions.csv"]])
def test_files_replaced_by_older_ones_are_read_again(project, config, names):
    kept = {}
    for name in names:
        path = project.folder / name
        kept[path] = path.read_bytes(), path.stat()
        if name.endswith(".hdf5"):
            with h5py.File(path, "a") as file:
                file["Target"][:] = np.repeat([1, 0], 8)
        else:
            path.write_bytes(path.read_bytes().replace(b"ant", b"emu"))
        os.utime(path, (kept[path][1].st_atime, kept[path][1].st_mtime - 1000))
    assert project.changed(config, "evaluate", ATTRIBUTES) == {READERS[name] for name in names}
    for path, (content, status) in kept.items():
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert project.planned(config, "evaluate", ATTRIBUTES) == set()

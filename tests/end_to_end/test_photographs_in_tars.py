"""Real photographs in a tar per class, as ImageNet serves them, through config/mammals70.yaml to features.

PARLEY_PHOTOS and PARLEY_WEIGHTS are those of test_photographs.py. Each experiment runs in its own copy of the project,
so none can copy another's features.
"""

import csv
import hashlib
import os
import shutil
import tarfile
from pathlib import Path

import h5py
import pytest
import yaml

from parley.dataset.listing import image_key

NEEDED = ("PARLEY_PHOTOS", "PARLEY_WEIGHTS")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(os.environ.get, NEEDED)) or not Path("/usr/share/wordnet/data.noun").exists(),
        reason=f"needs real data ({', '.join(NEEDED)}) and Debian's wordnet-base",
    ),
    pytest.mark.skipif(not os.environ.get("PARLEY_LONG"), reason="takes minutes; PARLEY_LONG=1 runs it"),
]
OUT_OF_DOMAIN, PER_CLASS = 6, 8
PARTS = ("train", "dev", "test", "ood", "transfer")
PLAN = "results/mammals70/plan.tsv"
LAYERS = ("features_512", "features", "classifier")
REPLACED = {
    "classes": "photos.tsv",
    "split": {"in": {"train": 4, "dev": 2, "test": 2}, "out": {"ood": 8}, "transfer": {"transfer": 8}},
    "fetch": {"allow_private_hosts": True},
    "features": {
        "backbone": "squeezenet1_0",
        "weights": os.environ.get("PARLEY_WEIGHTS"),
        "preprocessing": "custom",
        "custom": {"size": 227, "mean": [123 / 255, 117 / 255, 104 / 255], "sd": [1 / 255] * 3},
    },
}
"""What is replaced in config/mammals70.yaml, besides the source's addresses."""


@pytest.fixture(scope="module")
def rows():
    with Path(os.environ["PARLEY_PHOTOS"], "classes.tsv").open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.fixture(scope="module")
def images(rows):
    """Path of each photograph, by its class's wnid and the name that ImageNet would give it."""
    folders = {row["wnid"]: Path(os.environ["PARLEY_PHOTOS"], row["folder"]) for row in rows}
    return {
        wnid: {f"{wnid}_{number}.JPEG": path for number, path in enumerate(sorted(folder.glob("*.jpg")))}
        for wnid, folder in folders.items()
    }


@pytest.fixture(scope="module")
def server(images, serve, tmp_path_factory):
    """Two mirrors, /a/ and /b/, whose tars have the photographs in opposite orders; elsewhere there is nothing."""
    folder = tmp_path_factory.mktemp("tars")
    for mirror in "ab":
        (folder / mirror).mkdir()
        for wnid, paths in images.items():
            with tarfile.open(folder / mirror / f"{wnid}.tar", "w") as tar:
                for name in sorted(paths, reverse=mirror == "b"):
                    tar.add(paths[name], name)
    return serve(folder)


@pytest.fixture(scope="module")
def run(another_project, rows):
    """Run config/mammals70.yaml with another source in a new copy of the project; return its folder of results."""

    def run(source, *targets, folder=None):
        project = another_project()
        seen = [row["wnid"] for row in rows if row["group"] != "insect"]
        domains = dict.fromkeys(seen, "in") | dict.fromkeys(seen[-OUT_OF_DOMAIN:], "out")
        lines = (f"{row['name']}\t{row['wnid']}\t{domains.get(row['wnid'], 'transfer')}\n" for row in rows)
        (project.folder / "photos.tsv").write_text("class\twnid\tdomain\n" + "".join(lines))
        for row in rows if folder else ():
            shutil.copytree(Path(os.environ["PARLEY_PHOTOS"], row["folder"]), project.folder / folder / row["name"])
        overlay = project.folder / "overlay.yaml"
        overlay.write_text(yaml.safe_dump(REPLACED | {"source": source}))
        project.snakemake("--cores", "2", *targets, "--configfile", "config/mammals70.yaml", str(overlay))
        return project.folder / "results/mammals70"

    return run


def by_address(server, *mirrors):
    return {"tars": {"url": [f"{server.address}/{mirror}/{{wnid}}.tar" for mirror in mirrors]}}


@pytest.fixture(scope="module")
def from_tars(run, server):
    results = run(by_address(server, "dead", "a"), "features", PLAN)
    return results, server.requests()


def features(results, images):
    """The bytes of each image's features, by layer and the digest of the image's bytes, which is checked."""
    known = {
        hashlib.sha256(path.read_bytes()).hexdigest().encode()
        for of_class in images.values()
        for path in of_class.values()
    }
    found = {}
    for part in PARTS:
        with h5py.File(results / f"{part}.hdf5") as file:
            assert known.issuperset(file["Sha256"][:])
            for layer in LAYERS:
                values = zip(file["Sha256"][:], file[layer][:], strict=True)
                found |= {(layer, sha256): row.tobytes() for sha256, row in values}
    assert len(found) == len(LAYERS) * PER_CLASS * len(images)
    return found


def test_equal_bytes_have_equal_features_from_tars_and_from_a_folder(from_tars, run, images):
    source = {"kind": "folder", "folder": {"root": "photos"}, "tars": {"url": None}}
    folder = features(run(source, "features", folder="photos"), images)
    tars = features(from_tars[0], images)
    both = folder.keys() & tars.keys()
    # Their keys differ, and with them the images that are used: of each class 8 of about 50.
    assert len(both) > 30 * len(LAYERS)
    assert [one for one in both if folder[one] != tars[one]] == []


def test_each_tar_is_requested_once_after_the_mirror_that_is_dead(from_tars, images):
    _, asked = from_tars
    assert sorted(asked) == sorted(f"/{mirror}/{wnid}.tar" for wnid in images for mirror in ("dead", "a"))


def test_splits_do_not_depend_on_the_mirror(from_tars, run, server, images):
    results, _ = from_tars
    others = run(by_address(server, "b", "a"), "splits", PLAN)
    assert f"/b/{next(iter(images))}.tar" in server.requests()
    for name in ("plan.tsv", "splits.tsv"):
        assert (results / name).read_bytes() == (others / name).read_bytes()
    lines = [line.split("\t") for line in (others / "plan.tsv").read_text().splitlines()[1:]]
    addresses = {f"{wnid}.tar!{name}" for wnid, names in images.items() for name in names}
    assert {key for _, key, *_ in lines} == {image_key(address) for address in addresses}

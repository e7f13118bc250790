"""Each config that downloads a data set does so from servers as bad as the web's, on archives of the true layout.

The overlay of each test lists what is replaced in the shipped config: addresses with their checksums and sizes, counts,
the network's weights, the largest image, the time after which a stalled server is left, classes per job, and the
permission to ask loopback. One config is run to the report.
"""

import hashlib
import io
import itertools
import json
import os
import stat
import tarfile
import zipfile

import h5py
import pytest
import yaml
from PIL import Image

from parley.dataset.class_set import read_class_set

pytestmark = pytest.mark.slow

SPLIT = {"in": {"train": 1, "dev": 1, "test": 1}, "out": {"ood": 2}, "transfer": {"transfer": 1}}
EACH = {domain: sum(counts.values()) for domain, counts in SPLIT.items()}
COMMON = {
    "split": SPLIT,
    "fetch": {"margin": 0, "max_bytes": 200_000, "read_timeout_s": 5, "allow_private_hosts": True},
    "features": {"weights": "random", "classes_per_job": 100},  # A job takes as long to import torch as for 50 images.
    "training": {"batch_size": 2},
}
HUGE = b"\xff\xd8\xff" + bytes(300_000)
LINK = "../../../../../../etc/hostname"


def picture(name):
    noise = b"".join(hashlib.sha256(f"{name}{number}".encode()).digest() for number in range(6))
    out = io.BytesIO()
    Image.frombytes("RGB", (8, 8), noise).resize((64, 64)).save(out, "JPEG")
    return out.getvalue()


def classes_of(project, preset):
    config = yaml.safe_load((project.folder / f"config/{preset}.yaml").read_text())
    return read_class_set(project.folder / config["classes"])


def members_of(classes, place):
    """For each class as many images as are needed, one that is too large, and a link (None), by path.

    `place` returns the path of a class's image, given the class and a number.
    """
    bodies = {}
    for one in classes:
        wanted = EACH[one.domain]
        bodies |= {place(one, number): picture(f"{one.name}{number}") for number in range(wanted)}
        bodies |= {place(one, wanted): HUGE, place(one, wanted + 1): None}
    return bodies


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if body is None:
                info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, LINK if body is None else body)
    return path


def write_tar(path, members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, body in members.items():
            header = tarfile.TarInfo(name)
            if body is None:
                header.type, header.linkname = tarfile.SYMTYPE, LINK
            header.size = len(body or b"")
            tar.addfile(header, io.BytesIO(body or b""))
    return path


def mirrors(server, name):
    """A mirror that has nothing, one with a wrong byte, and one that stalls, and then ends too early."""
    return [f"{server.address}/{place}/{name}" for place in ("dead", "wrong", "faulty")]


def md5(path):
    return f"md5:{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}"


def run(project, preset, overlay, *targets, again=False):
    """Run a shipped config with an overlay, which is given after it, and return the folder of results.

    With `again`, a second call must have nothing to do.
    """
    path = project.folder / f"{preset}-overlay.yaml"
    path.write_text(yaml.safe_dump(overlay))
    given = ["--configfile", f"config/{preset}.yaml", str(path)]
    project.snakemake("--cores", "2", *targets, *given)
    assert not again or "Nothing to be done" in project.snakemake("-n", *targets, *given)
    experiment = yaml.safe_load((project.folder / f"config/{preset}.yaml").read_text())["experiment"]
    return project.folder / "results" / overlay.get("experiment", experiment)


def check_images(results, classes, terms):
    """Each class's images are used and no others, and have features; the card states the terms."""
    rows = [row.split("\t") for row in (results / "splits.tsv").read_text().splitlines()[1:]]
    assert {(row[0], row[3]) for row in rows} == {
        (one.name, hashlib.sha256(picture(f"{one.name}{number}")).hexdigest())
        for one in classes
        for number in range(EACH[one.domain])
    }
    rejected = json.loads((results / "funnel.json").read_text())["rejected"]
    assert set(rejected) == {"too_large"}
    for domain in {one.domain for one in classes}:
        for part, each in SPLIT[domain].items():
            with h5py.File(results / f"{part}.hdf5") as file:
                assert file["avgpool_512"].shape == (each * sum(one.domain == domain for one in classes), 1, 512)
    assert terms in (results / "data_card.md").read_text()


def check_requests(server, name, size):
    """Of the good mirror, no byte was requested twice: the second and third requests continue."""
    cuts = [size * 2 // 5, size * 3 // 5]
    wanted = [f"/{place}/{name}" for place in ("dead", "wrong", "faulty")]
    assert server.requests() == wanted + [f"/faulty/{name} bytes={cut}-" for cut in cuts]


def flat(one, number):
    return f"{one.wnid}_{number}.JPEG"


LONG = pytest.mark.skipif(
    not os.environ.get("PARLEY_LONG"), reason="as animals30, with 80 classes; PARLEY_LONG=1 runs it"
)


@pytest.mark.parametrize("preset", ["animals30", pytest.param("mammals70", marks=LONG)])
def test_imagenets_tars_by_address(project, serve, tmp_path, preset):
    classes = classes_of(project, preset)
    for one in classes:
        write_tar(tmp_path / f"{one.wnid}.tar", members_of([one], flat))
    server = serve(tmp_path)
    urls = [f"{server.address}/{place}/{{wnid}}.tar" for place in ("dead", "page", "faulty")]
    overlay = COMMON | {"source": {"tars": {"url": urls}}}
    results = run(project, preset, overlay, "features", "data_card", again=preset == "animals30")
    check_images(results, classes, "ImageNet's terms of access, non-commercial research and education")
    asked = server.requests()
    stalled = next(line for line in asked if line.startswith("/faulty/"))
    for one in classes:
        name = f"{one.wnid}.tar"
        size = (tmp_path / name).stat().st_size
        cuts = [size * 2 // 5] * (stalled == f"/faulty/{name}") + [size * 3 // 5]
        wanted = [f"/{place}/{name}" for place in ("dead", "page", "faulty")]
        assert [line for line in asked if name in line] == wanted + [f"/faulty/{name} bytes={cut}-" for cut in cuts]
    assert not list(project.folder.glob("resources/archives/*/*.tar"))


def test_the_tar_of_tars_of_ilsvrc(project, tmp_path):
    classes = classes_of(project, "animals30")
    inner = {
        f"{one.wnid}.tar": write_tar(tmp_path / "class.tar", members_of([one], flat)).read_bytes() for one in classes
    }
    inner["n02123394.tar"] = write_tar(tmp_path / "class.tar", {"n02123394_1.JPEG": picture("cat")}).read_bytes()
    path = write_tar(project.folder / "ILSVRC2012_img_train.tar", inner)
    overlay = COMMON | {"experiment": "ilsvrc", "source": {"tars": {"url": None, "root": path.name}}}
    results = run(project, "animals30", overlay, "features", "data_card")
    check_images(results, classes, "ImageNet's terms of access")


def test_tiny_imagenet(project, serve, tmp_path):
    classes = classes_of(project, "tiny-imagenet")
    members = {
        "tiny-imagenet-200/": b"",
        "tiny-imagenet-200/words.txt": b"n02129165\tlion, king of beasts\n",
        "tiny-imagenet-200/test/images/test_0.JPEG": picture("test"),
        "tiny-imagenet-200/val/images/val_0.JPEG": picture("val"),
        "tiny-imagenet-200/train/n04067472/images/n04067472_0.JPEG": picture("reel"),
        "tiny-imagenet-200/train/n02129165/n02129165_boxes.txt": b"n02129165_0.JPEG\t0\t10\t63\t58\n",
        **members_of(classes, lambda one, n: f"tiny-imagenet-200/train/{one.wnid}/images/{one.wnid}_{n}.JPEG"),
    }
    path = write_zip(tmp_path / "tiny-imagenet-200.zip", members)
    server, size = serve(tmp_path), path.stat().st_size
    archive = {"locations": mirrors(server, path.name), "checksum": md5(path), "size": size}
    results = run(project, "tiny-imagenet", COMMON | {"source": {"archive": archive}}, "features", "data_card")
    check_images(results, classes, "as ImageNet, non-commercial research and education")
    check_requests(server, path.name, size)


def test_imagenette_to_the_report(project, serve, tmp_path):
    classes = classes_of(project, "imagenette")
    folders = itertools.cycle(["train", "val"])
    members = {
        "imagenette2-160/noisy_imagenette.csv": b"path,noisy_labels_0\n",
        **members_of(classes, lambda one, n: f"imagenette2-160/{next(folders)}/{one.wnid}/{one.wnid}_{n}.JPEG"),
    }
    path = write_tar(tmp_path / "imagenette2-160.tgz", members, "w:gz")
    server, size = serve(tmp_path), path.stat().st_size
    overlay = {
        "source": {"archive": {"locations": mirrors(server, path.name), "checksum": md5(path)}},
        "training": {"steps": 20, "batch_size": 8, "dev_every": 10, "first_checkpoint": 10},
        "seeds": [1, 2],
    }
    results = run(project, "imagenette", COMMON | overlay, "all", again=True)
    check_images(results, classes, "as ImageNet, non-commercial research and education")
    check_requests(server, path.name, size)
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "parachute" in page
    places = ", ".join(overlay["source"]["archive"]["locations"])
    assert f"The images come from an archive of images: {places}. Terms of use, as stated in the config: as Im" in page
    assert "Images by host" not in page  # all are in the archive
    parts = json.loads((results / "runs/adaptive/2/evaluation.json").read_text())["parts"]
    assert parts["test"]["candidates"] == 10


def numbered(names):
    return "".join(f"{number:>7}\t{name}\n" for number, name in enumerate(names, start=1)).encode()


def test_awa2_with_attributes(project, serve, tmp_path):
    classes = classes_of(project, "awa2")
    names = [one.name.replace("_", "+") for one in reversed(classes)]
    root = "Animals_with_Attributes2"
    matrix = "".join(f"{number % 2} {number // 2 % 2} 1\n" for number in range(len(names)))

    def place(one, number):
        name = one.name.replace("_", "+")
        return f"{root}/JPEGImages/{name}/{name}_{10001 + number}.jpg"

    members = {
        f"{root}/classes.txt": numbered(names),
        f"{root}/predicates.txt": numbered(["black", "white", "timid"]),
        f"{root}/predicate-matrix-binary.txt": matrix.encode(),
        f"{root}/testclasses.txt": b"chimpanzee\nseal\n",
        f"{root}/licenses/antelope.txt": b"antelope_10001.jpg CC BY 2.0\n",
        **members_of(classes, place),
    }
    path = write_zip(tmp_path / "AwA2-data.zip", members)
    server, size = serve(tmp_path), path.stat().st_size
    archive = {"locations": mirrors(server, path.name), "checksum": md5(path)}
    targets = ("features", "data_card", "results/awa2/attributes.tsv")
    results = run(project, "awa2", COMMON | {"source": {"archive": archive}}, *targets, again=True)
    check_images(results, classes, "Creative Commons, per image, as listed in the archive")
    check_requests(server, path.name, size)
    lines = (results / "attributes.tsv").read_text().splitlines()
    values = {name.replace("+", "_"): [str(n % 2), str(n // 2 % 2), "1"] for n, name in enumerate(names)}
    assert lines[0] == "class\tblack\twhite\ttimid"
    assert {line.split("\t")[0]: line.split("\t")[1:] for line in lines[1:]} == values


BIRDS = {
    "black_footed_albatross": "001.Black_footed_Albatross",
    "laysan_albatross": "002.Laysan_Albatross",
    "gray_catbird": "019.Gray_Catbird",
}


def test_cub_by_the_lines_in_the_docs(project, serve, tmp_path):
    """No config is shipped for CUB: `awa2` with what docs/your-own-classes.md says, and a class set of one's own."""
    rows = [f"{name}\t\tin\tbird\ta bird called {name}" for name in BIRDS]
    (project.folder / "birds.tsv").write_text("\n".join(["class\twnid\tdomain\tgroup\tdescription", *rows]) + "\n")
    classes = read_class_set(project.folder / "birds.tsv")
    names, others = [*BIRDS.values(), "200.Common_Yellowthroat"], "CUB_200_2011/images/200.Common_Yellowthroat"
    members = {
        "attributes.txt": b"1 has_bill_shape::curved_(up_or_down)\n2 has_wing_color::blue\n",
        "CUB_200_2011/classes.txt": "".join(f"{n} {name}\n" for n, name in enumerate(names, start=1)).encode(),
        "CUB_200_2011/attributes/class_attribute_labels_continuous.txt": b"0.0 75.5\n60.1 3\n49.9 50\n80 80\n",
        f"{others}/Common_Yellowthroat_0001_1.jpg": picture("yellowthroat"),
        **members_of(classes, lambda one, n: f"CUB_200_2011/images/{BIRDS[one.name]}/{BIRDS[one.name][4:]}_{n}.jpg"),
    }
    path = write_tar(tmp_path / "CUB_200_2011.tgz", members, "w:gz")
    server, size = serve(tmp_path), path.stat().st_size
    archive = {
        "locations": mirrors(server, path.name),
        "checksum": md5(path),
        "members": "CUB_200_2011/images/{class}/*.jpg",
    }
    evaluation = {
        "k": 1,
        "k_unseen": None,
        "attributes": "archive!CUB_200_2011/attributes/class_attribute_labels_continuous.txt",
        "attribute_classes": "archive!CUB_200_2011/classes.txt",
        "attribute_names": "archive!attributes.txt",
        "attribute_threshold": 50,
    }
    terms = "non-commercial research and education"
    source = {"archive": archive, "terms": terms}
    overlay = COMMON | {"experiment": "cub", "classes": "birds.tsv", "source": source, "evaluation": evaluation}
    results = run(project, "awa2", overlay, "features", "data_card", "results/cub/attributes.tsv")
    check_images(results, classes, terms)
    check_requests(server, path.name, size)
    lines = (results / "attributes.tsv").read_text().splitlines()
    assert [line.split("\t")[1:] for line in lines[1:]] == [["0", "1"], ["1", "0"], ["0", "0"]]


def test_pets_of_torchvision_on_the_disk(project):
    classes = classes_of(project, "pets")
    folder = project.folder / "pets/oxford-iiit-pet"
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").mkdir()
    lines = []
    for label, one in enumerate(classes, start=1):
        # The names of cats begin with a capital letter.
        name = one.name.title() if one.group == "cat" else one.name
        for number, body in enumerate(members_of([one], lambda _, number: number).values()):
            if body is not None:
                (folder / f"images/{name}_{number}.jpg").write_bytes(body)
                lines.append(f"{name}_{number} {label} 1 1\n")
    (folder / "annotations/trainval.txt").write_text("".join(lines[::2]))
    (folder / "annotations/test.txt").write_text("".join(lines[1::2]))
    overlay = COMMON | {"source": {"torchvision": {"root": "pets"}}}
    results = run(project, "pets", overlay, "features", "data_card", again=True)
    check_images(results, classes, "Creative Commons BY-SA 4.0")

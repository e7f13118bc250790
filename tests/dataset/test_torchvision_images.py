"""Datasets of torchvision: real ones, laid out on the disk or served on loopback, become one tar per class."""

import hashlib
import http.server
import io
import json
import shutil
import struct
import tarfile
import threading
import time
from functools import partial

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from parley.core.errors import ParleyError
from parley.dataset.class_set import ImageClass
from parley.dataset.partial_downloads import exclusive_lock
from parley.dataset.sources import SourceOptions, open_source
from parley.dataset.torchvision_download import UNFINISHED, check_dataset
from parley.dataset.torchvision_images import pack_classes

BREEDS = ("Abyssinian", "american_bulldog", "Egyptian_Mau")


def picture(number, side=40, kind="JPEG"):
    out = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def write(path, body):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def lay_out_pets(folder):
    """Write OxfordIIITPet: three images of each breed for training, one for testing. Returns the bytes by name."""
    bodies, lines = {}, {"trainval": [], "test": []}
    for label, breed in enumerate(BREEDS, start=1):
        for number in range(4):
            name = f"{breed}_{number}"
            bodies[name] = picture(10 * label + number)
            write(folder / f"images/{name}.jpg", bodies[name])
            lines["trainval" if number < 3 else "test"].append(f"{name} {label} {1 if label % 2 else 2} 1\n")
            write(folder / f"annotations/trimaps/{name}.png", picture(1, kind="PNG"))
    for split, rows in lines.items():
        write(folder / f"annotations/{split}.txt", "".join(rows).encode())
    return bodies


def training_images(bodies, breed):
    """The images of a breed for training, by their names in a tar."""
    names = [f"{breed}_{number}" for number in range(3)]
    return {f"OxfordIIITPet/oxford-iiit-pet/images/{name}.jpg": bodies[name] for name in names}


def options(root, dataset, *arguments, **others):
    return SourceOptions("torchvision", root=root, dataset=dataset, arguments=arguments or ({},), **others)


def named(*names):
    return [ImageClass(name, "", "in", description="it") for name in names]


def packed(tmp_path, given, classes):
    """Name and bytes of the images of each class."""
    shutil.rmtree(tmp_path / "tars", ignore_errors=True)
    pack_classes(given, classes, tmp_path / "tars")
    found = {}
    for one in classes:
        with tarfile.open(tmp_path / f"tars/{one.name}.tar") as tar:
            found[one.name] = {member.name: tar.extractfile(member).read() for member in tar}
    return found


def refusal(tmp_path, given, *names):
    with pytest.raises(ParleyError) as told:
        pack_classes(given, named(*names), tmp_path / "tars")
    return told.value.findings


def test_packed_files_are_unchanged(tmp_path):
    bodies = lay_out_pets(tmp_path / "oxford-iiit-pet")
    found = packed(tmp_path, options(tmp_path, "OxfordIIITPet"), named("abyssinian", "Egyptian mau"))
    assert found == {
        "abyssinian": training_images(bodies, "Abyssinian"),
        "Egyptian mau": training_images(bodies, "Egyptian_Mau"),
    }


def test_joined_splits_have_no_duplicate_images(tmp_path):
    lay_out_pets(tmp_path / "oxford-iiit-pet")
    sets = ({"split": "trainval"}, {"split": "test"}, {"split": "trainval", "target_types": "category"})
    one, both = (
        packed(tmp_path, options(tmp_path, "OxfordIIITPet", *chosen), named(BREEDS[0])) for chosen in (sets[:1], sets)
    )
    assert len(one[BREEDS[0]]) == 3
    assert len(both[BREEDS[0]]) == 4
    assert both[BREEDS[0]].items() > one[BREEDS[0]].items()


def test_the_listing_gives_keys_and_only_as_many_images_as_the_class_size(tmp_path):
    lay_out_pets(tmp_path / "oxford-iiit-pet")
    given = options(tmp_path, "OxfordIIITPet", class_size=2)
    packed(tmp_path, given, named(*BREEDS))
    listing = open_source(options(tmp_path / "tars", "OxfordIIITPet")).listing(named(*BREEDS), None)
    names = [f"Abyssinian.tar!OxfordIIITPet/oxford-iiit-pet/images/Abyssinian_{number}.jpg" for number in range(2)]
    assert listing.urls["Abyssinian"] == names
    assert [len(urls) for urls in listing.urls.values()] == [2, 2, 2]


def test_the_target_decides_which_names_the_classes_have(tmp_path):
    lay_out_pets(tmp_path / "oxford-iiit-pet")
    given = options(tmp_path, "OxfordIIITPet", {"target_types": "binary-category"})
    found = packed(tmp_path, given, named("cat", "dog"))
    assert [len(images) for images in found.values()] == [6, 3]
    assert all("bulldog" in name for name in found["dog"])


def write_mnist(root, pixels, labels):
    raw = root / "MNIST/raw"
    write(raw / "train-images-idx3-ubyte", struct.pack(">4i", 2051, *pixels.shape) + pixels.tobytes())
    write(raw / "train-labels-idx1-ubyte", struct.pack(">2i", 2049, len(labels)) + bytes(labels))
    write(raw / "t10k-images-idx3-ubyte", struct.pack(">4i", 2051, *pixels.shape) + (255 - pixels).tobytes())
    write(raw / "t10k-labels-idx1-ubyte", struct.pack(">2i", 2049, len(labels)) + bytes(labels))


def test_arrays_lose_nothing_and_have_keys_of_arguments_and_index(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 28, 28), dtype=np.uint8)
    write_mnist(tmp_path, pixels, [7, 0, 7, 3, 7])
    given = options(tmp_path, "MNIST", {"train": True}, {"train": False})
    found = packed(tmp_path, given, named("seven", "0 - zero"))
    numbers = [0, 2, 4]
    assert list(found["seven"]) == [f"MNIST/train={train}/{n}.png" for train in (True, False) for n in numbers]
    for train, expected in ((True, pixels), (False, 255 - pixels)):
        for number in numbers:
            image = Image.open(io.BytesIO(found["seven"][f"MNIST/train={train}/{number}.png"]))
            assert np.array_equal(np.asarray(image), expected[number])
    assert len(found["0 - zero"]) == 2


def test_classes_without_names_are_selected_by_index(tmp_path):
    found = packed(tmp_path, options(None, "FakeData", {"size": 20, "image_size": [3, 8, 8]}), named("2", "4"))
    labels = [int(label) for _, label in datasets.FakeData(20, (3, 8, 8))]
    assert [len(images) for images in found.values()] == [labels.count(2), labels.count(4)]
    told = refusal(tmp_path, options(None, "FakeData", {"size": 20, "image_size": [3, 8, 8]}), "cat")
    assert "'cat' is not in torchvision's FakeData (torchvision's FakeData has" in told[0]


def test_formats_that_parley_does_not_read_become_pngs(tmp_path):
    for label in (0, 1):
        write(tmp_path / f"gtsrb/GTSRB/Training/{label:05d}/a.ppm", picture(label, kind="PPM"))
    ((name, body),) = packed(tmp_path, options(tmp_path, "GTSRB"), named("1"))["1"].items()
    assert name == "GTSRB/1.png"
    shown = [np.asarray(Image.open(io.BytesIO(one))) for one in (body, picture(1, kind="PPM"))]
    assert np.array_equal(*shown)


def test_torchvision_classes_match_by_wnid(tmp_path):
    for wnid in ("n01440764", "n02102040"):
        for number in range(2):
            write(tmp_path / f"imagenette2-160/train/{wnid}/{number}.JPEG", picture(number))
    given = options(tmp_path, "Imagenette", {"size": "160px"})
    found = packed(tmp_path, given, [ImageClass("a fish", "n01440764", "in"), *named("English springer spaniel")])
    assert [len(images) for images in found.values()] == [2, 2]
    told = refusal(tmp_path, given, "Tinca tinca", "tench")
    assert any("'Tinca tinca' and 'tench' both match tench/Tinca tinca/n01440764" in one for one in told)


def test_species_of_inaturalist_are_found_and_every_rank_by_its_own_names(tmp_path):
    base = "Animalia_Chordata_Mammalia_Rodentia"
    for number, name in enumerate(("Caviidae_Cavia_aperea", "Sciuridae_Sciurus_niger")):
        write(tmp_path / f"2021_train_mini/{number:05d}_{base}_{name}/{'long' * 40}.jpg", picture(number))
    given = options(tmp_path, "INaturalist", {"version": "2021_train_mini"})
    ((name, body),) = packed(tmp_path, given, named("sciurus niger"))["sciurus niger"].items()
    assert name.endswith(f"{'long' * 40}.jpg")
    assert body == picture(1)
    given = options(tmp_path, "INaturalist", {"version": "2021_train_mini", "target_type": "family"})
    assert len(packed(tmp_path, given, named("Caviidae"))["Caviidae"]) == 1


def _folders(*path):
    return {"/".join((*path, "Red_Fox", "image_0001.jpg")): picture(1)}


LAYOUTS = {
    "Caltech101": {
        "caltech101/101_ObjectCategories/Red_Fox/image_0001.jpg": picture(1),
        "caltech101/101_ObjectCategories/BACKGROUND_Google/image.jpg": b"",
        "caltech101/Annotations/x": b"",
    },
    "DTD": {
        "dtd/dtd/images/red_fox/1.jpg": picture(1),
        "dtd/dtd/labels/train1.txt": b"red_fox/1.jpg\n",
    },
    "FGVCAircraft": {
        "fgvc-aircraft-2013b/data/variants.txt": b"Red-Fox\n",
        "fgvc-aircraft-2013b/data/images_variant_trainval.txt": b"00001 Red-Fox\n",
        "fgvc-aircraft-2013b/data/images/00001.jpg": picture(1),
    },
    "Food101": {
        "food-101/meta/train.json": json.dumps({"red_fox": ["red_fox/1"]}).encode(),
        "food-101/images/red_fox/1.jpg": picture(1),
    },
    "EuroSAT": _folders("eurosat", "2750"),
    "SUN397": {
        "SUN397/ClassName.txt": b"/r/red_fox\n",
        "SUN397/r/red_fox/sun_1.jpg": picture(1),
    },
    "ImageFolder": _folders(),
}


@pytest.mark.parametrize("dataset", LAYOUTS)
def test_datasets_of_files_give_their_bytes(tmp_path, dataset):
    files = LAYOUTS[dataset]
    for name, body in files.items():
        write(tmp_path / name, body)
    (found,) = packed(tmp_path, options(tmp_path, dataset), named("red fox")).values()
    (expected,) = (body for name, body in files.items() if name.endswith("1.jpg"))
    assert list(found.values()) == [expected]


def test_files_that_are_not_images_are_left_to_the_fetch_stage(tmp_path):
    write(tmp_path / "fox/1.jpg", picture(1))
    write(tmp_path / "fox/2.jpg", b"not an image")
    assert list(packed(tmp_path, options(tmp_path, "ImageFolder"), named("fox"))["fox"].values()) == [
        picture(1),
        b"not an image",
    ]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("OxfordIITPet",), "has no dataset 'OxfordIITPet'; did you mean OxfordIIITPet?"),
        (("VisionDataset",), "has no dataset 'VisionDataset'; "),
        (("wrap_dataset_for_transforms_v2",), "has no dataset 'wrap_dataset_for_transforms_v2'; "),
        (("Qqqq",), "https://docs.pytorch.org/vision/stable/datasets.html lists them."),
        (("OxfordIIITPet", {"spilt": "test"}), "OxfordIIITPet says: got an unexpected keyword argument 'spilt'"),
        (("OxfordIIITPet", {"split": "val"}), "Unknown value 'val' for argument split. Valid values are {'trainval'"),
        (("CIFAR100", {"train": "false"}), "CIFAR100 says: train must be true or false, not 'false'."),
        (("EMNIST",), "EMNIST says: missing a required argument: 'split'"),
        (("CIFAR100", {"root": "x", "download": True}), "remove download, root, which Parley sets itself."),
    ],
)
def test_names_and_arguments_are_judged_before_anything_is_downloaded(tmp_path, given, sentence):
    (told,) = check_dataset(options(tmp_path / "none", *given))
    assert sentence in told
    assert not (tmp_path / "none").exists()


def test_a_root_may_be_missing_but_must_not_be_a_file(tmp_path):
    write(tmp_path / "file", b"")
    (told,) = open_source(options(tmp_path / "file", "CIFAR100")).check([])
    assert "file is not a folder" in told
    assert open_source(options(tmp_path / "missing", "CIFAR100")).check([]) == []


def test_a_package_that_a_dataset_requires_is_named(tmp_path):
    write(tmp_path / "labels.json", b"{}")
    arguments = {"annFile": str(tmp_path / "labels.json")}
    with pytest.raises(ParleyError, match="CocoCaptions requires the package pycocotools, which is not installed"):
        packed(tmp_path, options(tmp_path, "CocoCaptions", arguments), named("fox"))


def test_right_arguments_are_accepted_without_files(tmp_path):
    for name, arguments in (("CIFAR100", {}), ("EMNIST", {"split": "letters"}), ("INaturalist", {}), ("FakeData", {})):
        assert check_dataset(options(tmp_path, name, arguments)) == []


def test_a_class_that_the_dataset_lacks_is_named_with_one_like_it(tmp_path):
    lay_out_pets(tmp_path / "oxford-iiit-pet")
    told = refusal(tmp_path, options(tmp_path, "OxfordIIITPet"), "Abissinian", "zebra", "Abyssinian")
    assert len(told) == 2
    assert "Class 'Abissinian' is not in torchvision's OxfordIIITPet (did you mean Abyssinian?)" in told[0]
    assert "has 3 classes, such as Abyssinian, American Bulldog, Egyptian Mau" in told[1]


def test_unusable_target_type_is_refused(tmp_path):
    lay_out_pets(tmp_path / "oxford-iiit-pet")
    (told,) = refusal(tmp_path, options(tmp_path, "OxfordIIITPet", {"target_types": "segmentation"}), "Abyssinian")
    assert "does not give an image and its class, but a target of type PngImageFile; choose arguments" in told


def test_missing_files_are_reported(tmp_path):
    lay_out_pets(tmp_path / "oxford-iiit-pet")
    shutil.rmtree(tmp_path / "oxford-iiit-pet/images")
    (tmp_path / "oxford-iiit-pet/images").mkdir()
    (told,) = refusal(tmp_path, options(tmp_path, "OxfordIIITPet"), "Abyssinian")
    assert "cannot give image 0 (FileNotFoundError" in told
    (told,) = refusal(tmp_path, options(tmp_path / "none", "ImageFolder"), "Abyssinian")
    assert "and torchvision does not download it; put its files there" in told


@pytest.fixture
def archives(tmp_path, monkeypatch):
    """Serve the pets' archives on loopback to torchvision's class. Gives the requests, and the images by name."""
    made, requests = tmp_path / "made", []
    bodies = lay_out_pets(made)
    for name in ("images", "annotations"):
        with tarfile.open(tmp_path / f"served-{name}.tar.gz", "w:gz") as tar:
            tar.add(made / name, arcname=name)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            super().do_GET()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    resources = [
        (
            f"http://127.0.0.1:{server.server_port}/served-{name}.tar.gz",
            hashlib.md5((tmp_path / f"served-{name}.tar.gz").read_bytes(), usedforsecurity=False).hexdigest(),
        )
        for name in ("images", "annotations")
    ]
    monkeypatch.setattr(datasets.OxfordIIITPet, "_RESOURCES", resources)
    yield requests, bodies
    server.shutdown()
    server.server_close()


def test_only_missing_files_are_downloaded(tmp_path, archives, caplog):
    caplog.set_level("INFO", "parley")
    requests, bodies = archives
    found = packed(tmp_path, options(tmp_path / "data", "OxfordIIITPet"), named("Abyssinian"))
    assert found == {"Abyssinian": training_images(bodies, "Abyssinian")}
    assert set(requests) == {"/served-images.tar.gz", "/served-annotations.tar.gz"}
    assert "torchvision downloads OxfordIIITPet itself and checks it" in caplog.text
    assert "downloading: " in caplog.text
    assert not (tmp_path / "data" / UNFINISHED).exists()
    asked = len(requests)
    assert packed(tmp_path, options(tmp_path / "data", "OxfordIIITPet"), named("Abyssinian")) == found
    assert len(requests) == asked


def test_an_interrupted_unpacking_starts_again(tmp_path, archives):
    requests, bodies = archives
    left = tmp_path / "data" / UNFINISHED / "oxford-iiit-pet"
    left.mkdir(parents=True)
    shutil.copy(tmp_path / "served-images.tar.gz", left)
    # The other archive was cut off, and of the first only some was unpacked.
    (left / "served-annotations.tar.gz").write_bytes((tmp_path / "served-annotations.tar.gz").read_bytes()[:100])
    shutil.copytree(tmp_path / "made/annotations", left / "annotations")
    write(left / "images/Abyssinian_0.jpg", picture(11)[:50])
    found = packed(tmp_path, options(tmp_path / "data", "OxfordIIITPet"), named("Abyssinian"))
    assert found == {"Abyssinian": training_images(bodies, "Abyssinian")}
    # The archive that was complete is kept, the other downloaded again.
    assert set(requests) == {"/served-annotations.tar.gz"}


def test_waits_for_the_download_of_another_experiment(tmp_path, archives, caplog):
    caplog.set_level("INFO", "parley")
    (requests, bodies), data, found = archives, tmp_path / "data", []
    given = options(data, "OxfordIIITPet")
    second = threading.Thread(target=lambda: found.append(packed(tmp_path, given, named("Abyssinian"))))
    with exclusive_lock(data / UNFINISHED):
        second.start()
        until = time.monotonic() + 30
        while not caplog.records and time.monotonic() < until:
            time.sleep(0.01)
        assert "is being written by another process" in caplog.text
        shutil.copytree(tmp_path / "made", data / "oxford-iiit-pet")
    second.join(30)
    assert found == [{"Abyssinian": training_images(bodies, "Abyssinian")}]
    assert requests == []


@pytest.mark.usefixtures("archives")
def test_a_wrong_checksum_and_a_dead_server_end_in_a_sentence(tmp_path):
    (tmp_path / "served-images.tar.gz").write_bytes(b"other bytes")
    (told,) = refusal(tmp_path, options(tmp_path / "data", "OxfordIIITPet"), "Abyssinian")
    assert "torchvision could not download OxfordIIITPet (RuntimeError: File not found or corrupted.)" in told
    (tmp_path / "served-images.tar.gz").unlink()
    (told,) = refusal(tmp_path, options(tmp_path / "data", "OxfordIIITPet"), "Abyssinian")
    assert "HTTP Error 404" in told
    assert "put the files into" in told

"""Bad input ends before any work, in sentences, with an exit status that is not 0."""

import json

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.slow

FOLDER = {"kind": "folder", "folder": {"root": "pictures"}}
SMALL = {"in": {"train": 2, "dev": 1, "test": 1}}
RANDOM = {"backbone": "resnet18", "weights": "random"}


def class_set(project, text, name="classes.tsv"):
    (project.folder / name).write_text("class\twnid\tdomain\tgroup\tdescription\n" + text)
    return name


def refused(project, *arguments, **values):
    defaults = {"classes": class_set(project, "ant\t\tin\t\ta small insect\n", "one.tsv"), "evaluation": {"k": 1}}
    small = {"split": SMALL, "features": RANDOM, "training": {"batch_size": 2}}
    values = {**defaults, "source": FOLDER, **small, **values}
    out = project.snakemake("--cores", "1", *arguments, config=project.write_config("bad", **values), ok=False)
    assert "Traceback" not in out
    return out


def test_unknown_keys_and_wrong_values_are_reported_together(project):
    out = refused(project, seeed=3, training={"steps": "many"})
    assert "the key seeed is unknown; did you mean seed?" in out
    assert "training.steps is 'many'" in out
    assert "Finished jobid" not in out


def test_all_errors_of_a_class_set_are_reported_together(project):
    classes = class_set(
        project, "ant\tn1\tin\t\t\nant\tn00000002\tin\t\t\na/b\tn00000003\tup\t\t\n..\tn00000004\tin\t\t\n"
    )
    out = refused(project, classes=classes)
    for words in ("'n1' is not 'n' and eight digits", "already on line 2", "path separator", "'up' is not one", "'..'"):
        assert words in out
    assert "Finished jobid" not in out


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"training: {steps: 3}\nexperiment: a\ntraining: {k: 1}\n", "line 3: the key training is also in line 1"),
        (b"experiment: " + b"[" * 100_000, "line 1: more than 30 sections and lists are inside each other"),
        (b"".join(b"key%d: 1\n" % number for number in range(700_000)), "is larger than"),
        (b"", "has no settings"),
        (b"# experiment: a\n", "has no settings"),
        (b"- experiment\n- a\n", "has no settings"),
        (b"experiment: caf\xe9\n", "line 1 is not UTF-8 text"),
        (b"seeds: [010]\n", "line 1: YAML reads 010 as 8; write 10 or 8"),
        (
            b"seed:\t3\n",
            "bad.yaml is not YAML (line 1: found character '\\t' that cannot start any token); replace the tab",
        ),
        (b"a: 1\n---\nb: 1\n", "line 2: a second document begins here"),
        (None, "bad.yaml does not exist; check the path"),
    ],
    ids=[
        "key twice",
        "nested",
        "many keys",
        "empty",
        "comment",
        "list",
        "latin-1",
        "octal",
        "tab",
        "documents",
        "missing",
    ],
)
def test_a_config_that_snakemake_would_misread_is_refused(project, content, told):
    (project.folder / "bad.yaml").unlink(missing_ok=True)
    if content is not None:
        (project.folder / "bad.yaml").write_bytes(content)
    out = project.snakemake("--cores", "1", config="bad.yaml", ok=False)
    assert told in out
    assert "Traceback" not in out


def test_features_that_two_splits_share_are_a_warning(project):
    (project.folder / "given").mkdir(exist_ok=True)
    for part, first in (("train", 0), ("dev", 8)):
        with h5py.File(project.folder / f"given/{part}.hdf5", "w") as file:
            file["Target"], file["Location"] = np.arange(4) % 2, [f"{first + row}".encode() for row in range(4)]
            file["avgpool_512"] = np.random.default_rng(first).normal(size=(4, 1, 8)).astype(np.float32)
    (project.folder / "given/d.csv").write_text("0,ant,a small insect\n1,bee,a striped insect\n")
    given = {"train": "given/train.hdf5", "dev": "given/dev.hdf5", "test": "given/train.hdf5"}
    source = {"kind": "features", "features": {**given, "descriptions": "given/d.csv"}}
    config = project.write_config("shared", source=source, evaluation={"k": 1})
    out = project.snakemake("--cores", "1", "results/shared/test.hdf5", config=config)
    assert "given/train.hdf5: 4 of 4 images have the names, and 4 the features, of images of the train split" in out
    assert "images of the dev split" not in out


def test_k_above_the_classes_is_reported(project):
    assert "evaluation.k is 3, but there are only 1 in-domain classes" in refused(project, evaluation={"k": 3})


def test_missing_files_of_later_stages_are_reported_before_the_first_job(project):
    (project.folder / "pictures/ant").mkdir(parents=True, exist_ok=True)
    classes = class_set(project, "ant\tn00000001\tin\t\t\nbee\tn00000002\tin\t\t\n")
    out = refused(
        project,
        classes=classes,
        descriptions={"wordnet": "no/wordnet"},
        words={"source": "no/glove.txt"},
    )
    assert "no/wordnet" in out
    assert "The word vectors no/glove.txt do not exist" in out
    assert "Class 'bee' has no folder" in out
    assert "Finished jobid" not in out


def test_faults_of_every_kind_are_one_list_in_a_dry_run(project):
    (project.folder / "pictures/ants").mkdir(parents=True, exist_ok=True)
    classes = class_set(project, "lion\tn02129166\tin\t\t\nants\t\tin\t\tan ant\nbee\t\tup\t\ta bee\n", "six.tsv")
    out = refused(
        project,
        "-n",
        classes=classes,
        seeed=3,
        training={"steps": "many"},
        features={"backbone": "resnet43", "weights": "random"},
        words={"source": "no/glove.txt"},
        claims=[{"claim": "stops_at_once", "run": "adaptve"}],
    )
    for words in (
        "the key seeed is unknown; did you mean seed?",
        "training.steps is 'many'",
        "names the run adaptve, which does not exist; did you mean adaptive?",
        "six.tsv, line 4, class 'bee': the domain 'up' is not one of",
        "Class 'lion' has no folder lion or n02129166 in pictures; add it",
        "Class 'lion': The wnid n02129166 is not a noun of WordNet 3.0",
        "no classification network 'resnet43'; did you mean resnet34",
        "The word vectors no/glove.txt do not exist",
    ):
        assert words in out
    assert "evaluation.k" not in out


def test_missing_inputs_that_the_target_needs_are_reported_in_a_dry_run(project):
    (project.folder / "pictures").mkdir(exist_ok=True)
    classes = class_set(project, "wasp\tn99999999\tin\t\t\n", "none.tsv")
    (project.folder / "a.tsv").write_text("class\tcolour\tsize\nwasps\tyellow\tsmall\n")
    evaluation = {"k": 1, "attributes": "a.tsv"}
    values = {"classes": classes, "words": {"source": "no/glove.txt"}, "evaluation": evaluation}
    out = refused(project, "-n", "all", "metrics", **values)
    for words in ("wnid n99999999 is not a noun", "no/glove.txt do not exist", "Class 'wasp' has no folder"):
        assert words in out
    assert "Class 'wasp' is not in a.tsv (did you mean wasps?); correct the name or add the class there." in out
    out = refused(project, "-n", "--until", "build_descriptions", **values)
    assert "n99999999" in out
    assert "no/glove.txt" not in out


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["featuers"], "features"),
        (["--until", "extract_feature"], "extract_features"),
        (["results/world/runs/adaptive/1/best.p"], "results/world/runs/adaptive/1/best.pt"),
        (["results/world/sumary.csv"], "results/world/summary.csv"),
    ],
)
def test_a_misspelt_target_gets_a_suggestion(project, typed, meant):
    out = project.snakemake("-n", *typed, ok=False)
    assert f"There is no target {typed[-1]}; did you mean {meant}?" in out


def test_a_missing_file_of_weights_is_reported(project):
    out = refused(project, features={"backbone": "resnet18", "weights": "no/weights.pth"})
    assert "there is no file no/weights.pth" in out


def test_published_weights_that_cannot_be_had_name_the_file_and_its_place(project, monkeypatch):
    (project.folder / "pictures/ant").mkdir(parents=True, exist_ok=True)
    # Every way onto the web leads to a closed port of this machine, as on a machine without a network.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(project.folder / "no-torch-cache"))
    out = refused(project, features={"backbone": "resnet34", "weights": "IMAGENET1K_V1"})
    assert "resnet34-b627a593.pth" in out
    assert "resources/weights" in out
    assert "Finished jobid" not in out


def test_classes_absent_from_the_list_are_all_named(project):
    (project.folder / "urls.txt").write_text("n00000001_1\thttp://127.0.0.1:9/a.jpg\n")
    classes = class_set(project, "ant\tn00000001\tin\t\t\nbee\tn00000002\tin\t\t\ncow\tn00000003\tin\t\t\n")
    out = refused(
        project, "classes", classes=classes, source={"kind": "url_list", "url_list": {"locations": ["urls.txt"]}}
    )
    assert "Class ant (n00000001): 1 of its 1 entries can be used; 4 are needed." in out
    assert "Class bee (n00000002) is absent from the source" in out
    assert "3 of 3 classes have too few candidates" in out


def test_a_list_at_an_address_that_is_not_public_needs_the_option(project, serve):
    (project.folder / "lists").mkdir()
    (project.folder / "lists/urls.txt").write_text("n00000001_1\thttp://127.0.0.1:9/a.jpg\n")
    server = serve(project.folder / "lists")
    source = {"kind": "url_list", "url_list": {"locations": [f"{server.address}/urls.txt"]}}
    classes = class_set(project, "ant\tn00000001\tin\t\t\n", "listed.tsv")
    out = refused(project, "classes", classes=classes, source=source)
    assert "127.0.0.1 has no public address; if you trust it, set fetch.allow_private_hosts: true" in out
    assert server.requests() == []
    out = refused(project, "classes", classes=classes, source=source, fetch={"allow_private_hosts": True})
    assert "Class ant (n00000001): 1 of its 1 entries can be used; 4 are needed." in out
    assert server.requests() == ["/urls.txt"]


def test_an_unreadable_image_is_counted_and_replaced(project):
    from PIL import Image

    folder = project.folder / "pictures/ant"
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(30):
        Image.effect_noise((48, 48), 60 + index).convert("RGB").save(folder / f"{index}.png")
    for index in range(10):
        (folder / f"broken{index}.jpg").write_bytes(b"\xff\xd8\xff this is no picture")
    config = project.write_config(
        "broken",
        classes=class_set(project, "ant\t\tin\t\ta small insect\n"),
        source=FOLDER,
        split={"in": {"train": 4, "dev": 2, "test": 2}},
        fetch={"margin": 0},
        features=RANDOM,
        training={"batch_size": 4},
        evaluation={"k": 1},
    )
    project.snakemake("--cores", "1", "splits", config=config)
    (manifest,) = (project.folder / "resources/images").glob("classes-*/ant.tsv")
    rows = [row.split("\t") for row in manifest.read_text().splitlines()[1:]]
    good = [row for row in rows if row[2] == "ok"]
    bad = [row for row in rows if row[2] == "failed"]
    assert len(good) == 8
    assert bad
    assert {row[3] for row in bad} <= {"undecodable", "truncated"}
    assert all("broken" in row[0] for row in bad)


def test_images_are_recognised_by_their_bytes_and_skipped_files_named(project):
    """Names do not say what is an image; HEIC and images that are too costly to decode are told apart from damage."""
    from made_images import RGB, png
    from PIL import Image

    folder = project.folder / "phones/ant"
    folder.mkdir(parents=True)
    kinds = ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF"]
    for index in range(28):
        picture = Image.effect_noise((48, 48), 60 + index).convert("RGB")
        picture.save(folder / f"{index}.jpg?w={index}", kinds[index % len(kinds)])
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    for index in range(10):
        (folder / f"phone{index}.jpg").write_bytes(heic + bytes([index]))
        (folder / f"bomb{index}.png").write_bytes(png(64, 64, 8, RGB, [bytes(192)] * 64, [(b"tEXt", b"")] * 60_000))
        (folder / f"phone{index}.heic").write_bytes(heic)
    (folder / "notes.txt").write_text("ants")
    config = project.write_config(
        "phones",
        classes=class_set(project, "ant\t\tin\t\ta small insect\n", "ants.tsv"),
        source={"kind": "folder", "folder": {"root": "phones"}},
        split={"in": {"train": 20, "dev": 4, "test": 4}},
        fetch={"margin": 0},
        features=RANDOM,
        training={"batch_size": 4},
        evaluation={"k": 1},
    )
    out = project.snakemake("--cores", "1", "splits", config=config)
    assert "Files skipped because they are not images in a supported format: 10 HEIC (such as ant/" in out
    assert "; reading HEIC needs" in out
    funnel = json.loads((project.folder / "results/phones/funnel.json").read_text())
    assert funnel["rejected"].keys() == {"heic", "too_complex"}
    rows = (project.folder / "results/phones/splits.tsv").read_text().splitlines()
    assert len(rows) == 1 + 28


def test_ready_made_features_that_do_not_exist_are_all_named(project):
    given = {name: f"no/{name}.hdf5" for name in ("train", "dev", "test")}
    out = refused(project, source={"kind": "features", "features": {**given, "descriptions": "no/d.csv"}})
    for name in ("no/train.hdf5", "no/dev.hdf5", "no/test.hdf5", "no/d.csv"):
        assert f"{name}, which is not a file" in out


def test_an_unknown_network_is_reported_before_the_first_job(project):
    folder = project.folder / "pictures/ant"
    folder.mkdir(parents=True, exist_ok=True)
    out = refused(project, features={"backbone": "resnet43", "weights": "random"})
    assert "no classification network 'resnet43'" in out
    assert "Finished jobid" not in out


def test_too_few_images_in_a_folder_are_reported_before_the_first_job(project):
    folder = project.folder / "few/ant"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "only.png").touch()
    out = refused(project, source={"kind": "folder", "folder": {"root": "few"}})
    assert "Class ant: 1 of its 1 entries can be used; 4 are needed." in out
    assert "Finished jobid" not in out


def test_a_class_may_be_called_like_a_table_of_the_workflow(project):
    from PIL import Image

    for name in ("plan", "candidates"):
        (project.folder / "odd" / name).mkdir(parents=True, exist_ok=True)
        for index in range(4):
            noise = Image.effect_noise((48, 48), 60 + index + len(name) * 9).convert("RGB")
            noise.save(project.folder / "odd" / name / f"{index}.png")
    config = project.write_config(
        "odd",
        classes=class_set(project, "plan\t\tin\t\ta plan\ncandidates\t\tin\t\tmany\n"),
        source={"kind": "folder", "folder": {"root": "odd"}},
        split=SMALL,
        training={"batch_size": 2},
        fetch={"margin": 0},
        features=RANDOM,
        evaluation={"k": 1},
    )
    project.snakemake("--cores", "1", "splits", config=config)
    assert len((project.folder / "results/odd/splits.tsv").read_text().splitlines()) == 1 + 8

"""Through the workflow, over HTTP: what has been fetched is never asked for again."""

import json
import shutil
import tarfile

import pytest
from whole_lines import picture, write_class_set, write_url_list

pytestmark = pytest.mark.slow

CLASSES = ["ant", "bee", "cat", "dog"]
PER_CLASS = 9
SPLIT = {"in": {"train": 3, "dev": 1, "test": 1}, "out": {"ood": 2}}


def class_set(project, name, domains):
    rows = ((one, f"n{CLASSES.index(one):08d}", domain) for one, domain in domains.items())
    return write_class_set(project.folder / f"{name}.tsv", rows)


@pytest.fixture(scope="module")
def line(project, serve, tmp_path_factory):
    """Three classes fetched from a list in the form of 2011; the fourth is in the list alone."""
    folder = tmp_path_factory.mktemp("pictures")
    server = serve(folder)
    write_url_list(project.folder, server.address, CLASSES, PER_CLASS)
    for name in CLASSES:
        (folder / name).mkdir()
        for index in range(PER_CLASS):
            (folder / name / f"{index}.jpg").write_bytes(picture(f"{name}{index}"))
    config = project.write_config(
        "first",
        classes=class_set(project, "three", {"ant": "in", "bee": "in", "cat": "out"}),
        source={"kind": "url_list", "url_list": {"locations": ["urls.txt"]}},
        split=SPLIT,
        fetch={"classes_per_job": 2, "allow_private_hosts": True},
        features={"backbone": "resnet18", "weights": "random"},
        training={"batch_size": 4},
        evaluation={"k": 1},
    )
    project.snakemake("--cores", "2", "splits", config=config)
    return config, server


def pool(project, name):
    (folder,) = (project.folder / "resources/images").glob(f"{name}-*")
    return folder


def test_a_part_has_its_counts_and_each_image_was_asked_for_once(project, line):
    _, server = line
    rows = [row.split("\t") for row in (project.folder / "results/first/splits.tsv").read_text().splitlines()[1:]]
    parts = [(row[0], row[2]) for row in rows]
    for name in ("ant", "bee"):
        assert [parts.count((name, part)) for part in ("train", "dev", "test")] == [3, 1, 1]
    assert parts.count(("cat", "ood")) == 2
    asked = server.requests()
    assert len(asked) == len(set(asked))
    assert not any("dog" in path for path in asked)


def test_a_deleted_tar_comes_back_from_the_cache(project, line):
    config, server = line
    tar = pool(project, "three") / "bee.tar"
    before, asked = tar.read_bytes(), len(server.requests())
    tar.unlink()
    project.snakemake("--cores", "2", "splits", config=config)
    assert tar.read_bytes() == before
    assert len(server.requests()) == asked


def test_a_forced_fetch_judges_the_cached_bytes_again_and_asks_for_none(project, line):
    config, server = line
    asked = len(server.requests())
    manifest = pool(project, "three") / "ant.tsv"
    before, written = manifest.read_text(), manifest.stat().st_mtime_ns
    project.snakemake("--cores", "2", "splits", "--forcerun", "fetch_images_0000", config=config)
    assert manifest.stat().st_mtime_ns > written
    assert len(server.requests()) == asked

    def without_time(text):
        return [row.split("\t")[:-1] for row in text.splitlines()]

    assert without_time(manifest.read_text()) == without_time(before)


def test_another_class_set_requests_only_new_images(project, line):
    _, server = line
    asked = set(server.requests())
    config = project.write_config(
        "second",
        classes=class_set(project, "swapped", {"bee": "in", "dog": "in", "ant": "out"}),
        source={"kind": "url_list", "url_list": {"locations": ["urls.txt"]}},
        split=SPLIT,
        fetch={"allow_private_hosts": True},
        features={"backbone": "resnet18", "weights": "random"},
        training={"batch_size": 4},
        evaluation={"k": 1},
    )
    project.snakemake("--cores", "2", "splits", config=config)
    new = server.requests()[len(asked) :]
    assert not asked & set(new)
    assert any("dog" in path for path in new)
    with tarfile.open(pool(project, "three") / "ant.tar") as tar:
        assert len(tar.getnames()) >= 5, "the first experiment's images are as they were"


def test_an_experiment_that_agrees_shares_the_images(project, line):
    first, server = line
    asked = len(server.requests())
    text = first.read_text().replace("experiment: first", "experiment: third")
    config = project.folder / "third.yaml"
    config.write_text(text)
    assert not any(rule.startswith("fetch") for rule in project.planned(config, "splits"))
    project.snakemake("--cores", "2", "splits", config=config)
    assert len(server.requests()) == asked
    results = project.folder / "results"
    assert (results / "third/splits.tsv").read_bytes() == (results / "first/splits.tsv").read_bytes()


def test_a_stricter_or_regrouped_experiment_does_not_affect_the_first(project, line):
    first, server = line
    asked = len(server.requests())
    text = first.read_text().replace("experiment: first", "experiment: fourth")
    config = project.folder / "fourth.yaml"
    config.write_text(text.replace("classes_per_job: 2", "classes_per_job: 1\n  on_shortage: accept"))
    project.snakemake("--cores", "2", "splits", config=config)
    assert len(server.requests()) == asked
    assert project.planned(first, "splits") == set()


def test_an_edit_of_the_fetching_code_repeats_no_fetch(project, line):
    config, _ = line
    project.edit("src/parley/dataset/fetch/validate.py", "\nADDED = 1\n")
    assert project.planned(config, "splits") == set()


def test_clean_removes_only_unused_answers(project, line):
    first, server = line
    for name in ("second", "third", "fourth"):
        shutil.rmtree(project.folder / "results" / name)
    told = json.loads(project.parley("clean", "--json", "--remove", "--configfile", first))
    removed = {one["kind"]: one for one in told["unused"]}
    assert set(removed) - {"lists"} == {"images", "plans", "hashes", "cached responses"}
    dogs = {path for path in server.requests() if "dog" in path}
    assert removed["cached responses"]["files"] == len(dogs)

    asked = len(server.requests())
    for tar in pool(project, "three").glob("*.tar"):
        tar.unlink()
    project.snakemake("--cores", "2", "splits", config=first)
    assert len(server.requests()) == asked
    project.snakemake("--cores", "2", "splits", config=project.folder / "second.yaml")
    assert sorted(server.requests()[asked:]) == sorted(dogs)

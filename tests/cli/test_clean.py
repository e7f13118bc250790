"""`parley clean`: what experiments use stays, whatever else Parley made goes, and nothing else is touched."""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import h5py
import pytest
import yaml
from tiny_runs import TINY, write_classes

from parley.cli.main import main
from parley.config.experiment import read_experiment
from parley.config.options import source_options
from parley.config.schema import as_yaml
from parley.core.files import digest_of
from parley.dataset.listing import image_key
from parley.dataset.sources import open_source
from parley.dataset.sources.base import TORCHVISION_FOLDER
from parley.text.pretrained_vectors import copy_of

ROOT = Path(__file__).parents[2]
SCHEMA = "workflow/schemas/config.schema.yaml"
ASIDE = ".x.0123456789ab.part"
DIGEST = "0123456789ab"
WEB = {"source": {"kind": "url_list", "url_list": {"locations": ["http://example.org/list.txt"]}}}


def make(path, size=1000):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def make_folder(folder):
    Path(folder).parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "config", Path(folder) / "config")
    for name in ("Snakefile", SCHEMA):
        (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, Path(folder) / name)
    write_classes(Path(folder))


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder in which the workflow could run, with nothing made yet."""
    make_folder(tmp_path / "clone")
    monkeypatch.chdir(tmp_path / "clone")
    return tmp_path / "clone"


def experiment(name, *, saved=True, files=True, **values):
    """An experiment that has run: its config, and a file of 1,000 bytes in each place that it uses."""
    read = read_experiment({"experiment": name, **TINY, **values}, SCHEMA)
    if saved:
        config = make(f"results/{name}/config.yaml")
        config.write_text(as_yaml(read.config))
    for path in read.paths.shared() if files else ():
        make(path if path.endswith((".list", ".tsv", ".txt")) else f"{path}/file")
    return read.paths


def shared(paths):
    """What an experiment uses, as the command lists it."""
    return {path for path in paths.shared() if not path.endswith("urls.txt")}


@pytest.fixture
def clean(capsys):
    """Call the command with --json, and return what it prints."""

    def call(*arguments):
        assert main(["clean", "--json", *map(str, arguments)]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return json.loads(out)

    return call


def unused(told):
    return {one["path"] for one in told["unused"]}


def test_files_used_only_by_a_deleted_experiment_are_removed(clone, clean, capsys):
    kept, gone = experiment("a"), experiment("b", seed=12)
    assert clean()["unused"] == []
    shutil.rmtree("results/b")
    told = clean()
    assert unused(told) == shared(gone)
    assert told["bytes"] == 6000  # The drawn world has two files.
    assert {one["path"] for one in told["used"]} == shared(kept)
    assert {tuple(one["experiments"]) for one in told["used"]} == {("results/a",)}
    assert told["removed"] is False
    assert all(Path(path).exists() for path in gone.shared())

    assert main(["clean"]) == 0
    out = capsys.readouterr().out
    assert "6.0 kB to remove: uv run parley clean --remove\n6.0 kB kept for 1 experiment: results/a" in out
    assert ["images", "1.0", "kB", "1", f"resources/images/{gone.pool}"] in [line.split() for line in out.splitlines()]

    assert clean("--remove")["unused"] == told["unused"]
    assert not any(Path(path).exists() for path in gone.shared())
    assert all(Path(path).exists() for path in kept.shared())
    assert clean("--remove")["unused"] == []
    assert main(["clean", "--remove"]) == 0
    assert capsys.readouterr().out.startswith("Nothing was removed.\n")


def test_files_that_another_experiment_uses_are_kept(clone, clean):
    experiment("a")
    other = experiment("b", features={**TINY["features"], "layers": ["pooled", "map"]})
    shutil.rmtree("results/b")
    assert unused(clean()) == {f"resources/features/{other.features}/{other.pool}"}
    clean("--remove")
    assert not Path("resources/features", other.features).exists()


def test_chosen_paths_alone_are_removed(clone, clean):
    one, two = experiment("a"), experiment("b", seed=12)
    shutil.rmtree("results")
    clean("--remove", f"resources/images/{one.pool}/", clone / "resources/plans")
    left = {path for path in shared(one) | shared(two) if Path(path).exists()}
    assert left == {path for path in shared(one) | shared(two) if "plans" not in path} - {
        f"resources/images/{one.pool}"
    }


def test_clean_refuses_protected_paths(clone, refused):
    kept, gone = experiment("a"), experiment("b", seed=12)
    shutil.rmtree("results/b")
    make("resources/images/mine/cat.jpg")
    assert refused(
        "clean", "--remove", f"resources/images/{gone.pool}", f"resources/images/{kept.pool}", "results/a",
        "resources/nowhere", "resources/images/mine", f"resources/images/{gone.pool}/file", ""
    ) == [
        f"resources/images/{kept.pool} is kept for results/a; see `uv run parley clean`.",
        "results/a is not in resources/; remove it by hand.",
        "resources/nowhere does not exist; check the path.",
        "resources/images/mine is not a whole file or folder that Parley has made; remove it by hand.",
        f"resources/images/{gone.pool}/file is not a whole file or folder that Parley has made; remove it by hand.",
        ". is not in resources/; remove it by hand.",
    ]  # fmt: skip
    assert Path("resources/images", gone.pool).exists()


def test_files_of_other_names_are_left_alone(clone, clean):
    others = [
        *(
            "resources/mine/cat.jpg",
            "resources/images/mine/cat.jpg",
            "resources/cache/readme",
            "resources/words/my.txt",
        ),
        *(
            "resources/features/resnet18-0123abcd/mine/x.hdf5",
            "resources/torchvision/cifar/x",
            "resources/urls/my.list",
        ),
        "resources/weights/checkpoints/mine.pth",
    ]
    made = [make(path) for path in others]
    assert unused(clean("--remove")) == set()
    assert all(path.exists() for path in made)


def test_nothing_is_removed_while_a_run_is_alive(clone, refused, clean):
    gone = experiment("b")
    shutil.rmtree("results")
    holder = "import sys; from parley.runtime.run_lock import acquire; lock = acquire('snakemake', [], ['x']); "
    holder += "print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout.readline() == b"held\n"
        (sentence,) = refused("clean", "--remove")
        assert f"process {run.pid} on " in sentence
        assert unused(clean()) == shared(gone)
        run.stdin.close()
    assert all(Path(path).exists() for path in gone.shared())
    assert unused(clean("--remove")) == shared(gone)


def test_a_link_is_removed_and_its_target_is_not(clone, clean, tmp_path):
    gone = experiment("b")
    shutil.rmtree("results")
    inner = make(tmp_path / "elsewhere/inner/file")
    Path("resources/images", gone.pool, "link").symlink_to(inner.parent)
    pool = Path("resources/images/other-0123abcd")
    pool.symlink_to(inner.parent)
    sizes = {one["path"]: one["bytes"] for one in clean("--remove")["unused"]}
    assert sizes[str(pool)] == 0
    assert sizes[f"resources/images/{gone.pool}"] == 1000
    assert not pool.is_symlink()
    assert inner.exists()


def test_a_linked_cache_is_left_alone(clone, clean, tmp_path, refused):
    answer = make(tmp_path / "shared" / f"ab/{'ab' * 16}")
    Path("resources").mkdir()
    Path("resources/cache").symlink_to(tmp_path / "shared")
    told = clean("--remove")
    assert told["unused"] == []
    (note,) = told["notes"]
    assert note.startswith(f"resources/cache is a link to {tmp_path}/shared, whose files experiments of other folders")
    refused("clean", "--remove", "resources/cache")
    assert Path("resources/cache").is_symlink()
    assert answer.exists()


def test_of_linked_resources_only_chosen_paths_are_removed(clone, clean, tmp_path, refused):
    gone = experiment("b")
    shutil.rmtree("results")
    Path("resources").rename(tmp_path / "shared")
    Path("resources").symlink_to(tmp_path / "shared")
    assert unused(clean()) == shared(gone)
    (sentence,) = refused("clean", "--remove")
    assert "Nothing has been removed." in sentence
    clean("--remove", f"resources/images/{gone.pool}")
    assert {path for path in shared(gone) if not Path(path).exists()} == {f"resources/images/{gone.pool}"}


def test_experiments_of_another_folder_count_if_they_are_given(clone, clean, tmp_path, monkeypatch):
    make_folder(tmp_path / "other")
    (tmp_path / "other/resources").symlink_to(clone / "resources")
    Path("resources").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    (tmp_path / "other/theirs.tsv").write_text(Path("tiny.tsv").read_text())
    theirs = experiment("theirs", classes="theirs.tsv")  # The class set is only in their folder.
    monkeypatch.chdir(clone)
    assert unused(clean()) == shared(theirs)
    assert clean("--configfile", "../other/results/theirs/config.yaml")["unused"] == []


def broken(text):
    def change(config):
        config.write_text(text)

    return change


def older(config):
    config.write_text(f"{config.read_text()}former_key: 1\n")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (broken("a: [1"), "results/old/config.yaml is not YAML"),
        (broken("- a"), "results/old/config.yaml is not a config"),
        (broken(""), "results/old/config.yaml is not a config"),
        (older, "Config: the key former_key is unknown"),
        (Path.unlink, "It has no config.yaml."),
    ],
)
def test_clean_keeps_everything_if_a_config_is_invalid(clone, clean, change, why):
    gone = experiment("gone")
    shutil.rmtree("results/gone")
    experiment("old", seed=12, files=False)
    make("results/old/logs/x.log")
    change(Path("results/old/config.yaml"))
    make("resources/images/some-0123abcd/file")
    make(f"resources/images/{gone.pool}/{ASIDE}")
    told = clean("--remove")
    assert unused(told) == {f"resources/images/{gone.pool}/{ASIDE}"}
    (note,) = told["notes"]
    assert note.startswith(f"All files are kept, because it is unknown what results/old uses: {why}")
    given = Path("old.yaml")
    given.write_text(yaml.safe_dump({"experiment": "old", **TINY, "seed": 12}))
    assert unused(clean("--configfile", given)) == {*shared(gone), "resources/images/some-0123abcd"}


def test_clean_keeps_everything_if_results_is_a_broken_link(clone, clean):
    gone = experiment("a")
    Path("results/a").rename("elsewhere")
    Path("results/a").symlink_to(clone / "elsewhere")
    assert clean()["unused"] == []
    Path("elsewhere").rename("away")
    told = clean("--remove")
    assert (told["unused"], len(told["notes"])) == ([], 1)
    assert "It is a link to a missing folder." in told["notes"][0]
    shutil.rmtree("results")
    Path("results").symlink_to(clone / "mount")
    told = clean("--remove")
    assert (told["unused"], len(told["notes"])) == ([], 1)
    Path("results").unlink()
    assert unused(clean()) == shared(gone)


@pytest.mark.parametrize("target", ["nowhere", "itself"])
@pytest.mark.parametrize(
    "link", ["resources", "resources/cache", "resources/torchvision", "resources/images", "resources/images/a-0123abcd"]
)
def test_broken_and_circular_links_have_no_files(clone, clean, link, target):
    Path(link).parent.mkdir(parents=True, exist_ok=True)
    Path(link).symlink_to(Path(link).name if target == "itself" else target)
    told = clean()
    assert (sum(one["bytes"] for one in told["unused"]), told["used"]) == (0, [])
    assert len(told["unused"]) == (link == "resources/images/a-0123abcd")
    Path("results").symlink_to("results" if target == "itself" else target)
    told = clean()
    assert told["unused"] == []
    assert "It is a link to a missing folder." in told["notes"][0]


def test_a_missing_class_set_or_source_keeps_everything(clone, clean, tmp_path):
    for one in ("a", "b"):
        (tmp_path / one / "ambolo").mkdir(parents=True)
    Path("mine.tsv").write_text("class\twnid\tdomain\nambolo\tn02129165\tin\n")
    values = {"classes": "mine.tsv", "source": {"kind": "folder", "folder": {"root": str(tmp_path / "a")}}}
    values |= {"split": {"in": {"train": 2, "dev": 1, "test": 1}}, "training": {"batch_size": 2}}
    experiment("mine", **values)
    assert clean()["unused"] == []
    (tmp_path / "a").rename(tmp_path / "c")
    told = clean()
    assert (told["unused"], len(told["notes"])) == ([], 1)
    assert f"{tmp_path}/a, the source of its images, does not exist" in told["notes"][0]
    (tmp_path / "c").rename(tmp_path / "a")
    Path("mine.tsv").unlink()
    told = clean()
    assert (told["unused"], len(told["notes"])) == ([], 1)


def test_a_given_config_that_is_wrong_is_an_error(clone, refused):
    Path("wrong.yaml").write_text("experiment: x\n")
    assert refused("clean", "--configfile", "wrong.yaml")[0].startswith("wrong.yaml: Config: the file lacks source")


def test_files_of_earlier_jobs_are_kept(clone, clean):
    earlier, _ = experiment("a"), experiment("a", seed=12)
    assert unused(clean()) == shared(earlier)
    record = {"format": 1, "rule": "settle", "wildcards": {}, "started": "", "ended": "", "params": {}}
    record |= {"config": {}, "code": "", "commit": "", "packages": {}, "machine": {}, "device": "", "usage": {}}
    used = {"path": f"resources/images/{earlier.pool}/ambolo.tsv", "role": "manifests", "bytes": 1, "sha256": ""}
    record |= {"threads": 1, "parley": "", "inputs": [used, {**used, "path": "results/a/classes.tsv"}]}
    record["outputs"] = [{**used, "path": "results/a/splits.tsv", "role": "splits"}]
    make("results/a/.records/settle-1.json").write_text(json.dumps(record))
    told = clean()
    assert unused(told) == shared(earlier) - {f"resources/images/{earlier.pool}"}
    assert told["notes"] == [
        f"Jobs of results/a used resources/images/{earlier.pool}, which its config does not use now; they are kept."
    ]
    make("results/a/.records/settle-1.json").write_text("{")
    assert clean()["unused"] == []


def plan_of(paths, *urls):
    rows = [f"ambolo\ttrain\t{rank}\t{image_key(url)}\t{url}" for rank, url in enumerate(urls)]
    make(paths.plan("plan.tsv")).write_text("\n".join(["class\tpart\trank\tkey\turl", *rows]) + "\n")


def answer_to(url):
    return make(f"resources/cache/{image_key(url)[:2]}/{image_key(url)}")


def test_cached_answers_are_kept_if_a_plan_has_their_key(clone, clean):
    used, other = answer_to("http://example.org/1"), answer_to("http://example.org/2")
    aside, new = make(other.parent / ASIDE), make(used.parent / ASIDE)
    os.utime(aside, (0, 0))
    paths = experiment("web", files=False, **WEB)
    told = clean()
    assert unused(told) == {str(aside)}
    assert told["notes"] == ["All cached responses are kept for results/web, which has no plan yet."]
    plan_of(paths, "http://example.org/1", "http://example.org/3")
    told = clean("--remove")
    assert [(one["kind"], one["path"], one["bytes"], one["files"]) for one in told["unused"]] == [
        ("cached responses", "resources/cache", 1000, 1),
        ("leftovers", str(aside), 1000, 1),
    ]
    assert used.exists()
    assert new.exists()  # A run in another folder that shares the cache may be writing it.
    assert not other.parent.exists()
    os.utime(new, (0, 0))
    shutil.rmtree("results")
    clean("--remove")
    assert not Path("resources/cache").exists()


@pytest.mark.slow
def test_word_vectors_weights_and_archives_are_kept_for_their_users(clone, clean):
    url = "http://example.org/vectors.txt"
    used = [copy_of(url, "resources/words"), "resources/weights/checkpoints/resnet18-f37072fd.pth"]
    rest = [copy_of(f"{url}.gz", "resources/words"), "resources/weights/checkpoints/resnet34-b627a593.pth"]
    partial = [path.with_name(f".{path.name}.partial") for path in map(Path, used + rest)]
    for path in [*used, *rest, *partial]:
        make(path)
    archive = {"kind": "archive", "archive": {"locations": ["http://example.org/x.zip"], "members": "{class}/*"}}
    tars = {"kind": "tars", "tars": {"url": "http://example.org/{class}.tar"}}
    weights = {**TINY["features"], "weights": "IMAGENET1K_V1"}
    experiment("a", files=False, source=archive, words={"source": url}, features=weights)
    experiment("b", files=False, source=tars)
    stores = [make(f"resources/archives/{digest}/x.zip").parent for digest in (DIGEST, *map(store_of, (archive, tars)))]
    download = make(stores[1] / "x.download")
    make(stores[2] / "y.download")  # A kill has kept it from being unpacked.
    make(stores[1] / ".x.download.partial")
    expected = {*map(str, rest), *map(str, partial[2:]), str(stores[0]), str(download)}
    assert unused(clean("--remove")) == expected
    assert not any(Path(path).exists() for path in expected)
    assert all(Path(path).exists() for path in [*used, *partial[:2], *stores[1:], stores[2] / "y.download"])


def store_of(source):
    return open_source(source_options({"class_size": None, **source})).store().name


def test_a_download_that_is_going_on_is_not_listed(clone, clean):
    path = make(f"resources/words/.{DIGEST}-x.partial")
    record = make(f"resources/words/.{DIGEST}-x.partial.json")
    with path.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert clean()["unused"] == []
    assert unused(clean()) == {str(path), str(record)}
    path.unlink()  # As a kill leaves it, between the two.
    os.mkfifo(path)
    assert unused(clean()) == {str(path), str(record)}
    path.unlink()
    assert unused(clean("--remove")) == {str(record)}
    assert not record.exists()


def test_downloads_are_listed_on_a_file_system_without_locks(clone, clean, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    paths = [make(f"resources/words/.{DIGEST}-x.partial"), make(f"resources/words/.{DIGEST}-x.{'0' * 12}.part")]
    assert unused(clean("--remove")) == set(map(str, paths))
    assert not any(path.exists() for path in paths)


@pytest.mark.parametrize(
    ("path", "scan"),
    [
        (f"resources/words/.{DIGEST}-x.partial", 1),
        (f"resources/words/.{DIGEST}-x.partial.json", 1),
        (f"resources/words/{ASIDE}", 1),
        (f"resources/archives/{DIGEST}", 1),
        (f"resources/cache/ab/{ASIDE}", 2),
        (f"resources/cache/ab/{32 * 'a'}", 1),
    ],
)
def test_files_that_a_run_removes_meanwhile_are_not_listed(clone, clean, monkeypatch, path, scan):
    """Remove a file or folder as soon as its folder has been read for the first or second time, as a run may."""
    scandir, scans = os.scandir, Counter()

    def scanned(folder):
        scans[str(folder)] += 1
        with scandir(folder) as found:
            entries = list(found)
        if folder == str(Path(path).parent) and scans[folder] == scan:
            shutil.rmtree(path) if Path(path).is_dir() else Path(path).unlink()
        return contextlib.nullcontext(iter(entries))

    make(f"{path}/x.zip" if path.endswith(DIGEST) else path)
    monkeypatch.setattr(os, "scandir", scanned)
    assert clean()["unused"] == []
    assert not Path(path).exists()


def test_a_file_that_is_renamed_while_its_folder_is_measured_counts_nothing(clone, clean, monkeypatch):
    scandir, renamed = os.scandir, make(f"resources/archives/{DIGEST}/x.download")
    make(f"resources/archives/{DIGEST}/y.zip")

    def scanned(folder):
        with scandir(folder) as found:
            entries = list(found)
        if str(folder) == str(renamed.parent) and renamed.exists():
            renamed.rename(renamed.with_suffix(".tar"))
        return contextlib.nullcontext(iter(entries))

    monkeypatch.setattr(os, "scandir", scanned)
    assert [(one["path"], one["bytes"], one["files"]) for one in clean()["unused"]] == [(str(renamed.parent), 1000, 1)]


def test_the_folder_of_torchvisions_files_is_the_one_of_the_schema():
    schema = yaml.safe_load((ROOT / SCHEMA).read_text())
    source = schema["properties"]["source"]["properties"]["torchvision"]["properties"]
    assert source["root"]["default"] == TORCHVISION_FOLDER


def test_clean_keeps_unfinished_torchvision_download(clone, clean):
    unfinished = str(make("resources/torchvision/.unfinished/x.tar.gz").parent)
    make("resources/torchvision/..unfinished.lock", 0)  # As a kill leaves it.
    assert clean()["notes"] == []
    whole = make("resources/torchvision/x.tar.gz")
    source = {"kind": "torchvision", "torchvision": {"dataset": "CIFAR100"}}
    paths = experiment("a", files=False, source=source)
    assert clean()["unused"] == []
    make(f"{paths.world}/x.tar")
    told = clean("--remove")
    assert unused(told) == {unfinished}
    assert told["notes"] == []
    shutil.rmtree("results")
    (note,) = clean("--remove")["notes"]
    assert note.startswith("resources/torchvision has 1.0 kB of files of torchvision that no experiment uses;")
    assert whole.exists()


def test_features_to_which_imported_files_refer_are_kept(clone, clean):
    gone = experiment("gone")
    features = Path("resources/features", gone.features, gone.pool)
    with h5py.File(features / "a.hdf5", "w") as file:
        file["avgpool_512"] = [[1.0]]
    given = {name: make(f"results/mine/{name}.hdf5") for name in ("train", "dev", "test")}
    for path in given.values():
        with h5py.File(path, "w") as file:
            layout = h5py.VirtualLayout((1, 1), "f4")
            layout[:] = h5py.VirtualSource(f"../../{features}/a.hdf5", "avgpool_512", (1, 1))
            file.create_virtual_dataset("avgpool_512", layout)
    shutil.rmtree("results/gone")
    text = {"descriptions": str(make("given.csv"))}
    source = {"kind": "features", "features": {**{name: str(path) for name, path in given.items()}, **text}}
    experiment("mine", source=source)
    told = clean()
    assert told["notes"] == []
    assert unused(told) == shared(gone) - {str(features)}


def test_the_record_of_a_removed_list_is_removed(clone, clean):
    gone = experiment("gone", **WEB)
    own = make(f"resources/urls/.records/download_urls-{digest_of([gone.url_list], 8)}.json")
    other = make("resources/urls/.records/download_urls-01234567.json")
    shutil.rmtree("results")
    clean("--remove")
    assert not own.exists()
    assert other.exists()


def test_files_that_cannot_be_removed_are_reported(clone, monkeypatch, capsys):
    gone = experiment("gone")
    shutil.rmtree("results")
    remove = os.rename

    def rename(source, destination):
        if "/plans/" in str(source):
            raise PermissionError(13, "Permission denied", str(source))
        remove(source, destination)

    monkeypatch.setattr(os, "rename", rename)
    assert main(["clean", "--remove", "--json"]) == 1
    out, err = capsys.readouterr()
    plans = f"resources/plans/{gone.pool}"
    assert err == f"{plans} cannot be removed (Permission denied); fix its permissions.\n"
    assert unused(json.loads(out)) == shared(gone) - {plans}
    assert {path for path in shared(gone) if Path(path).exists()} == {plans}


def test_in_another_folder_nothing_is_listed(tmp_path, monkeypatch, refused):
    monkeypatch.chdir(tmp_path)
    image = make("resources/images/logo-0123abcd/file")
    (sentence,) = refused("clean", "--remove")
    assert sentence == (
        f"{tmp_path} does not contain the Parley workflow; run this command in the project's folder, or where the "
        "workflow has run."
    )
    assert image.exists()


KILLED = """
import os, shutil, signal, sys
from parley.cli.main import main
shutil.rmtree = lambda path: os.kill(os.getpid(), signal.SIGKILL)
main(["clean", "--remove"])
"""


def test_after_a_kill_no_folder_is_left_in_part(clone, clean):
    gone = experiment("gone")
    shutil.rmtree("results")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run([sys.executable, "-c", KILLED], env=environment, check=False).returncode == -9
    (left,) = Path("resources").rglob(".removed.*.part")
    told = clean("--remove")
    assert len(unused(told) & shared(gone)) == len(shared(gone)) - 1
    assert str(left) in unused(told)
    assert not Path("resources").exists() or not any(Path("resources").iterdir())

"""`parley explain` traces files back and forth, lists each once, and refuses files without a record."""

from pathlib import Path

import pytest
from made_history import record, write

from parley.cli.main import main
from parley.core.files import sha256_of
from parley.core.tables import write_table
from parley.provenance.records import write_record
from parley.provenance.tree import pattern_of


@pytest.fixture
def explained(history, capsys):
    def call(path, *more):
        assert main(["explain", str(path), *more]) == 0
        return capsys.readouterr().out

    return call


@pytest.fixture
def refused(history, capsys):
    def call(path):
        assert main(["explain", str(path)]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert "Traceback" not in err
        return err

    return call


def test_a_file_is_traced_back_to_inputs_without_a_record(explained):
    out = explained("results/e/sum.txt")
    assert out.startswith("results/e/sum.txt\n")
    assert f"sha256 {sha256_of('results/e/sum.txt')}, 1 bytes" in out
    assert "made by paint, 2026-11-26 06:02 UTC" in out
    assert "commit c0ffee" in out
    assert f"└─ resources/table.tsv  {sha256_of('resources/table.tsv')[:10]}  count\n   └─ words.txt  given\n" in out
    assert "used for" not in out


def test_a_file_is_traced_forward(explained):
    out = explained("resources/table.tsv")
    onward = out.split("used for\n")[1]
    assert "2 × results/e/pages/{one,two}.html  paint" in onward
    assert f"results/e/sum.txt  {sha256_of('results/e/sum.txt')[:10]}  paint" in onward


def test_a_folder_that_one_job_made(explained):
    out = explained("results/e/pages")
    assert out.startswith("results/e/pages/{one,two}.html (2 files)\n")


def test_each_file_is_listed_once(explained):
    write(Path("results/e/last.txt"), "x")
    both = {"a": ["results/e/sum.txt"], "b": ["resources/table.tsv"]}
    write_record(record("end", both, {"last": ["results/e/last.txt"]}, 5))
    out = explained("results/e/last.txt")
    assert out.count("words.txt  given") == 1
    assert "└─ listed elsewhere: resources/table.tsv" in out


def test_changed_files_are_marked(explained):
    was = sha256_of("resources/table.tsv")
    Path("resources/table.tsv").write_text("other")
    assert f"CHANGED since, was {was[:10]}" in explained("results/e/sum.txt")
    assert "CHANGED since" in explained("resources/table.tsv")


def test_missing_files_are_marked(explained):
    Path("resources/table.tsv").unlink()
    assert "resources/table.tsv  gone  count" in explained("results/e/sum.txt")


def test_images_are_found_by_the_keys_in_the_file(explained):
    """A table with two keys gets two URLs from the manifest; a file without keys gets those of the splits."""
    pool = "resources/images/p"
    columns = ("url", "key", "sha256")
    rows = [(f"https://example.org/{name}.jpg", name * 32, name * 64) for name in "abc"]
    write_table(f"{pool}/ant.tsv", columns, rows)
    source = {"source": {"kind": "url_list", "url_list": {"local_root": None}}}
    write_record(record("fetch_images_0000", {}, {"manifests": [f"{pool}/ant.tsv"]}, config=source))
    write_table("results/e/splits.tsv", ("key",), [("a" * 32,), ("c" * 32,)])
    write_record(record("settle", {"manifests": [f"{pool}/ant.tsv"]}, {"splits": ["results/e/splits.tsv"]}, 1))
    write(Path("results/e/end.txt"), "x")
    write_record(record("end", {"splits": ["results/e/splits.tsv"]}, {"end": ["results/e/end.txt"]}, 2))
    for path, what in [("splits.tsv", "its images"), ("end.txt", "the images behind it")]:
        out = explained(f"results/e/{path}")
        assert f"{what}: 2, from the url_list source\n" in out
        assert f"  aaaaaaaaaa  https://example.org/a.jpg  {'a' * 10}\n" in out
        assert "example.org/b.jpg" not in out
    assert "its images: 3, " in explained(f"{pool}/ant.tsv")


def test_images_of_torchvision_are_in_the_tars_that_were_packed(explained):
    pool, address = "resources/images/p", "ant.tar!MNIST/0.png"
    write(Path("resources/datasets/d/ant.tar"), "x")
    write_table(f"{pool}/ant.tsv", ("url", "key", "sha256"), [(address, "a" * 32, "b" * 64)])
    source = {"source": {"kind": "torchvision", "torchvision": {"dataset": "MNIST", "root": "data"}}}
    write_record(
        record(
            "fetch_images_0", {"pictures": ["resources/datasets/d"]}, {"manifests": [f"{pool}/ant.tsv"]}, config=source
        )
    )
    out = explained(f"{pool}/ant.tsv")
    assert "its images: 1, from torchvision's MNIST\n" in out
    assert f"  resources/datasets/d/{address}  " in out


def test_files_without_a_record_are_refused(refused):
    write(Path("results/e/notes.txt"), "mine")
    assert "has no record" in refused("results/e/notes.txt")
    assert "several jobs" in refused("results/e")
    Path("results/e/notes.txt").unlink()
    write(Path("results/e/last.txt"), "x")
    write_record(record("end", {}, {"last": ["results/e/last.txt"]}))
    assert "several jobs" in refused("results/e")
    write(Path("results/e/logs/a.log"), "x")
    assert "is the log or benchmark of a job" in refused("results/e/logs/a.log")
    path = next(Path("results/e/.records").iterdir())
    assert "is itself the record of a job" in refused(path)
    assert "does not exist" in refused("results/e/nothing")
    assert "neither results/ nor resources/" in refused("words.txt")


@pytest.mark.parametrize(
    ("paths", "pattern"),
    [
        (["a/b.txt"], "a/b.txt"),
        (["a/1/b.txt", "a/2/b.txt"], "a/{1,2}/b.txt"),
        ([f"a/{seed}/b.txt" for seed in range(5)], "a/*/b.txt"),
        (["a/x.tar", "a/y.tar"], "a/{x,y}.tar"),
        (["a/v.tar", "a/x.tar", "a/y.tar", "a/z.tar"], "a/*.tar"),
        (["a/x.tar", "a/y.tsv"], "a/{x.tar,y.tsv}"),
        (["a/v.tar", "a/x.tsv", "a/y.tar", "a/z"], "a/*"),
        (["a/x", "a/b/x"], "a/**"),
    ],
)
def test_similar_names_become_one_pattern(paths, pattern):
    assert pattern_of(paths) == pattern

"""The commit, the machine and the source of the images that a page names."""

import os
import platform
import re
import subprocess

import pytest
from made_pages import Page, build

from parley.core.files import write_json
from parley.provenance.job import commit_of
from parley.report.page.origin import find_origin


def git(folder, *arguments):
    command = ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def repository(folder):
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "src").mkdir()
    (folder / "src/a file.py").write_text("1\n")
    (folder / "Snakefile").write_text("")
    (folder / "notes.md").write_text("")
    (folder / "config/classes").mkdir(parents=True)
    (folder / "config/classes/mine.tsv").write_text("")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_commit_and_uncommitted_changes(tmp_path):
    folder = repository(tmp_path / "parley")
    clean = find_origin(folder)
    assert clean["commit"] == git(folder, "rev-parse", "HEAD")
    assert clean["changed"] == []
    (folder / "notes.md").write_text("no code\n")
    assert find_origin(folder)["changed"] == []
    (folder / "src/a file.py").write_text("2\n")
    (folder / "src/naïve.py").write_text("3\n")
    assert sorted(find_origin(folder)["changed"]) == ["src/a file.py", "src/naïve.py"]


def test_an_edited_class_set_is_a_change_and_a_new_one_is_not(tmp_path):
    folder = repository(tmp_path / "parley")
    (folder / "config/classes/new set.tsv").write_text("")
    assert find_origin(folder)["changed"] == []
    (folder / "config/classes/mine.tsv").write_text("edited\n")
    assert find_origin(folder)["changed"] == ["config/classes/mine.tsv"]
    git(folder, "add", ".")  # now a part of the next commit
    assert sorted(find_origin(folder)["changed"]) == ["config/classes/mine.tsv", "config/classes/new set.tsv"]


def code_on_page(folder, repository):
    page = Page(build(folder, seeds=(0,), extra={"origin": find_origin(repository)})).text
    return re.search(r"Code\n?(.*?) \(when the page was made\)", page, re.S)[1]


def test_the_page_reports_only_known_git_states(tmp_path):
    folder = repository(tmp_path / "parley")
    commit = git(folder, "rev-parse", "HEAD")
    assert code_on_page(tmp_path / "clean", folder) == f"commit {commit}, no uncommitted changes"
    (folder / ".git/index").write_text("damaged")  # git status fails, git rev-parse does not
    assert code_on_page(tmp_path / "damaged", folder) == (
        f"commit {commit}; git could not tell whether there are uncommitted changes"
    )
    assert commit_of(folder) == ""  # the records of jobs claim no clean commit either
    assert code_on_page(tmp_path / "none", tmp_path) == (
        "unknown: git is missing or failed, or the code is not in a git repository of its own"
    )


def test_a_renamed_file_is_named_once(tmp_path):
    folder = repository(tmp_path / "parley")
    git(folder, "mv", "src/a file.py", "src/b.py")
    assert find_origin(folder)["changed"] == ["src/b.py"]


def test_a_copy_inside_another_repository_has_no_commit(tmp_path):
    inside = repository(tmp_path / "thesis") / "src"
    assert find_origin(inside)["commit"] is None
    assert find_origin(tmp_path / "nowhere")["commit"] is None


def test_without_git_there_is_no_commit(tmp_path, monkeypatch):
    folder = repository(tmp_path / "parley")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (find_origin(folder)["commit"], find_origin(folder)["changed"]) == (None, None)


def test_the_machine_is_this_one(tmp_path):
    host = find_origin(tmp_path)["host"]
    assert host["cores"] == str(os.cpu_count())
    assert platform.python_version() in host["Python"]
    assert platform.release() in host["system"]
    assert list(host) == ["processor", "cores", "memory", "GPU", "system", "Python"]
    assert all(host.values())


ADDRESS = "http://zoo.example/<i>zoo</i>.zip"
COUNTS = dict.fromkeys(("candidates", "tried", "ok", "kept", "wanted"), 3) | {"rejected": {}}
COUNTS |= dict.fromkeys(("duplicates", "near_copies", "spare"), 0)
NO_TERMS = "No terms of use are stated in the config (source.terms)."


def data_section(folder, source, host="local"):
    """What the page says about the source of the images, and the whole page, for images of one host."""
    hosts = {host: {"tried": 3, "ok": 3, "rejected": {}}}
    folder.mkdir()
    write_json(folder / "funnel.json", {"classes": {"cat": {"test": COUNTS}}, "hosts": hosts})
    (folder / "data_card.md").write_text("")
    config = {"experiment": "zoo", "source": {"class_size": None, "terms": "", **source}}
    text = build(folder, seeds=(0,), extra={"config": config, "funnel": folder / "funnel.json"})
    return Page(re.search(r'<p id="image-source">(.*)</p>', text)[1]), Page(text)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            {"kind": "archive", "archive": {"locations": [ADDRESS]}},
            f"come from an archive of images: {ADDRESS}. {NO_TERMS}",
        ),
        (
            {"kind": "tars", "terms": "research <only>", "tars": {"url": ["http://a.example/{wnid}.tar", "b/{wnid}"]}},
            "come from tars of images: http://a.example/{wnid}.tar, b/{wnid}. "
            "Terms of use, as stated in the config: research <only>.",
        ),
        ({"kind": "folder", "folder": {"root": "photos"}}, f"come from a folder of images: photos. {NO_TERMS}"),
        (
            {"kind": "manifest", "manifest": {"path": "t.tsv"}},
            f"come from a table of URLs and paths: t.tsv. {NO_TERMS}",
        ),
        (
            {"kind": "torchvision", "torchvision": {"dataset": "DTD"}},
            f"come from a dataset of torchvision: torchvision.datasets.DTD. {NO_TERMS}",
        ),
        ({"kind": "world"}, "were drawn by Parley."),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_the_page_names_the_source_of_the_images_and_its_terms(source, told, tmp_path):
    said, _ = data_section(tmp_path / "made", source)
    assert said.text == f"The images {told} Details: data_card.md."
    assert ("a", {"href": "data_card.md"}) in said.tags


def test_hosts_are_listed_only_if_an_image_is_from_the_web(tmp_path):
    source = {"kind": "manifest", "manifest": {"path": "t.tsv"}}
    assert "hosts" not in data_section(tmp_path / "local", source)[1].ids
    assert "hosts" in data_section(tmp_path / "web", source, "a.example")[1].ids

"""The commit and the machine a page names."""

import os
import platform
import subprocess

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
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_the_commit_and_what_differs_from_it(tmp_path):
    folder = repository(tmp_path / "parley")
    clean = find_origin(folder)
    assert clean["commit"] == git(folder, "rev-parse", "HEAD")
    assert clean["changed"] == []
    (folder / "notes.md").write_text("no code\n")
    assert find_origin(folder)["changed"] == []
    (folder / "src/a file.py").write_text("2\n")
    (folder / "src/naïve.py").write_text("3\n")
    assert sorted(find_origin(folder)["changed"]) == ["src/a file.py", "src/naïve.py"]


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
    assert (find_origin(folder)["commit"], find_origin(folder)["changed"]) == (None, [])


def test_the_machine_is_this_one(tmp_path):
    host = find_origin(tmp_path)["host"]
    assert host["cores"] == str(os.cpu_count())
    assert platform.python_version() in host["Python"]
    assert platform.release() in host["system"]
    assert list(host) == ["processor", "cores", "memory", "GPU", "system", "Python"]
    assert all(host.values())

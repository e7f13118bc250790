"""Where files come from, told of whole experiments: shared pictures, a rerun, a kill, flipped bytes, talks."""

import hashlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from prov.model import ProvDocument
from tiny_runs import TINY

from parley.cli.main import main
from parley.core.files import sha256_of
from parley.core.tables import read_table
from parley.provenance.document import AS_MADE
from parley.provenance.explanation import explain
from parley.provenance.records import read_record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(finished):
    return finished


@pytest.fixture(scope="module")
def both(project):
    """Two experiments on the same pictures, with another width of messages."""
    two = project.write_config("two", **{**TINY, "seeds": [1], "game": {**TINY["game"], "message_bits": 3}})
    project.snakemake("--cores", "2", config=two)
    return {"tiny": project.folder / "tiny.yaml", "two": two}


@pytest.fixture
def here(project, both, monkeypatch):
    monkeypatch.chdir(project.folder)
    return project.folder


def document(name):
    return json.loads(Path("results", name, "provenance.json").read_text())


def makers(found):
    return {one["prov:entity"]: one["prov:activity"] for one in found["wasGeneratedBy"].values()}


def rules(found, jobs):
    return {found["activity"][job]["parley:rule"] for job in jobs}


@pytest.mark.parametrize("name", ["tiny", "two"])
def test_provenance_lists_and_hashes_every_file(here, name):
    found = document(name)
    told = {entity.removeprefix("path:"): facts for entity, facts in found["entity"].items()}
    for path, facts in told.items():
        assert facts["parley:state"] == AS_MADE, path
        assert facts["parley:sha256"] == sha256_of(path)
        assert facts["parley:bytes"] == Path(path).stat().st_size
    assert set(makers(found)) == set(found["entity"])
    for one in found["used"].values():
        assert one["prov:entity"] in found["entity"]
        assert one["prov:activity"] in found["activity"]
    pool = {path.name for path in here.glob("resources/images/tiny-*/*.t*")}
    assert pool == {Path(path).name for path in told if path.startswith("resources/images/")}
    for activity in found["activity"].values():
        assert re.fullmatch(r"[0-9a-f]{16}", activity["parley:code"]), activity
        assert activity["parley:wall_s"] > 0
        assert 0 < activity["parley:memory_mib"] < 3000
    # The library for W3C PROV reads every word of it.
    read = ProvDocument.deserialize(f"results/{name}/provenance.json", format="json")
    assert len(list(read.get_records())) == sum(len(found[section]) for section in found if section != "prefix")


def test_experiments_share_only_resources(here):
    one, two = document("tiny"), document("two")
    shared = [entity for entity in one["entity"] if entity.startswith("path:resources/")]
    assert shared == [entity for entity in two["entity"] if entity.startswith("path:resources/")]
    for entity in shared:
        assert one["entity"][entity] == two["entity"][entity]
        job = makers(one)[entity]
        assert job == makers(two)[entity]
        assert one["activity"][job] == two["activity"][job]
    assert not [entity for entity in one["entity"] if "results/two" in entity]
    assert not [entity for entity in two["entity"] if "results/tiny" in entity]
    bits = {}
    for name, found in (("tiny", one), ("two", two)):
        job = makers(found)[f"path:results/{name}/runs/adaptive/1/metrics.jsonl"]
        (settings,) = json.loads(found["activity"][job]["parley:param.runs"])
        bits[name] = settings["game"]["message_bits"], found["activity"][job]["parley:seeds"]
    assert bits == {"tiny": (4, [1]), "two": (3, [1])}


def test_config_that_a_script_reads_by_itself_is_reported(here):
    found = document("tiny")
    (fetch,) = (one for one in found["activity"].values() if one["parley:rule"] == "fetch_images_0000")
    assert json.loads(fetch["parley:config.fetch"])["margin"] == 0
    (extract,) = (one for one in found["activity"].values() if one["parley:rule"] == "extract_features_0000")
    assert json.loads(extract["parley:config.features"])["backbone"] == "resnet18"


def test_usage_agrees_with_the_benchmark(project):
    config = project.write_config("measured", **{**TINY, "seeds": [1]})
    # Forks share memory with their server.
    project.snakemake("--cores", "2", "train", config=config, preloaded=False)
    results = project.folder / "results/measured"
    (record,) = results.glob("runs/adaptive/1/.records/train_run-*.json")
    (row,) = read_table(results / "benchmarks/train_run/adaptive-1.tsv", ["s", "max_rss"])
    told = read_record(record).usage
    assert told["wall_s"] <= float(row["s"]) + 1
    assert told["memory_mib"] == pytest.approx(float(row["max_rss"]), rel=0.3)


def test_a_flipped_byte_in_any_kind_of_file_is_found(here, capsys):
    found = document("tiny")
    kinds = {}
    for entity, job in makers(found).items():
        path = entity.removeprefix("path:")
        kinds.setdefault((found["activity"][job]["parley:rule"], Path(path).suffix), path)
    assert len(kinds) > 20
    for path in kinds.values():
        before, stat = Path(path).read_bytes(), Path(path).stat()
        content = bytearray(before)
        content[len(content) // 2] ^= 1
        Path(path).write_bytes(content)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        status = main(["verify", "results/tiny"])
        out, _ = capsys.readouterr()
        Path(path).write_bytes(before)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert status == 1, path
        assert out.startswith(f"1 changed: not the bytes that their jobs wrote\n  {path}\n")
    assert main(["verify", "results/tiny"]) == 0


def test_every_file_is_explained_on_one_screen(here):
    for entity in document("tiny")["entity"]:
        told = explain(entity.removeprefix("path:"))
        assert len(told.splitlines()) < 80, entity  # The report has a line for each thing that it shows.
        assert "has no record" not in told


def test_a_message_is_walked_back_to_its_pictures_and_forward_to_figures(here):
    path = "results/tiny/runs/adaptive/1/messages.hdf5"
    told = explain(path, full=True)
    for word in ("select_checkpoint", "train_run", "extract_features", "fetch_images", "settle", "draw_world"):
        assert word in told
    pictures, onward = told.split("its images: ")[1].split("used for\n")
    with h5py.File(path) as file:
        keys = {key.decode() for key in file["Predictions"]["ExampleId"]}
    manifests = [row for tsv in here.glob("resources/images/tiny-*/*.tsv") for row in read_table(tsv, ["key", "url"])]
    urls = {row["url"] for row in manifests if row["key"] in keys}
    assert len(urls) == 8
    shown = [line.split()[1] for line in pictures.splitlines() if line.startswith("  ")]
    assert {"/".join(Path(each).parts[-2:]) for each in shown} == urls
    assert all(Path(each).is_file() for each in shown)
    assert "results/tiny/figures/*.svg" in onward
    assert "results/tiny/report.html" in onward


def pictures_of(part, question):
    """Yield some pictures of a part as they lie in the tars, with what the workflow wrote down of them."""
    with h5py.File(f"results/tiny/runs/adaptive/1/messages{question}.hdf5") as file:
        said, thought = file["Communication"][:], file["Predictions"][:]
        labels = json.loads(file.attrs["labels"])
    rows = [row for row in read_table("results/tiny/splits.tsv", ["key"]) if row["part"] == part]
    for row in rows[:: max(len(rows) // 3, 1)]:
        (tar,) = Path("resources/images").glob(f"tiny-*/{row['class']}.tar")
        with tarfile.open(tar) as packed:
            (member,) = [one for one in packed.getmembers() if one.name.startswith(row["key"])]
            content = packed.extractfile(member).read()
        ours = [table[table["ExampleId"] == row["key"].encode()] for table in (said, thought)]
        yield row, content, *ours, labels


@pytest.mark.parametrize(("part", "question", "among"), [("test", "", "seen"), ("ood", ".ood", "all")])
def test_parley_talk_agrees_with_the_workflow(here, capsys, tmp_path, part, question, among):
    for row, content, said, thought, labels in pictures_of(part, question):
        picture = tmp_path / "anything.dat"
        picture.write_bytes(content)
        arguments = ["--run", "adaptive", "--results", "results/tiny", "--candidates", among, "--json"]
        assert main(["talk", str(picture), *arguments]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["known"]["key"] == row["key"]
        assert told["sha256"] == hashlib.sha256(content).hexdigest()
        assert told["candidates"] == labels
        length = int(thought["StopMask"].sum())
        assert told["length"] == length == len(told["exchanges"])
        for t, exchange in enumerate(told["exchanges"]):
            for agent, name in enumerate(("sender", "receiver")):
                theirs = said[2 * t + agent]
                assert exchange[name]["bits"] == "".join(map(str, theirs["BinaryVec"]))
                assert np.allclose(exchange[name]["probabilities"], theirs["BinaryProb"], atol=1e-4)
            assert np.allclose(exchange["scores"], thought[t]["Predictions"], atol=1e-4)
            assert exchange["go_on_probability"] == pytest.approx(thought[t]["StopProb"], abs=1e-4)
        assert told["answer"] == labels[int(thought[length - 1]["Predictions"].argmax())]


def test_talking_about_ones_own_picture_and_about_none(here, capsys, tmp_path):
    from PIL import Image

    picture = tmp_path / "mine.jpg"
    Image.effect_noise((200, 90), 80).convert("RGB").save(picture)
    run = ["--results", "results/two"]  # which has one run alone
    levels = [logging.getLogger(name).level for name in ("parley.features", "parley.core.progress")]
    assert main(["talk", str(picture), *run]) == 0
    assert [logging.getLogger(name).level for name in ("parley.features", "parley.core.progress")] == levels
    out = capsys.readouterr().out
    assert "not one of the experiment's images" in out
    assert re.search(r"^answer: \w+ \(0\.\d\d\), among 4 classes$", out, re.MULTILINE)
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.jpg").write_bytes(picture.read_bytes()[:500])
    (tmp_path / "phone.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    for arguments, why in [
        ([tmp_path / "text.png", *run], "cannot be read as an image"),
        ([tmp_path / "cut.jpg", *run], "cannot be read as an image"),
        ([tmp_path / "phone.jpg", *run], "it is HEIC, which needs a plug-in for Pillow"),
        ([tmp_path / "gone.png", *run], "does not exist"),
        ([picture, "--run", "another", "--results", "results/two"], "has no run 'another'; its runs are adaptive."),
        ([picture, *run, "--seed", "9"], "has no seed 9; its seeds are 1."),
        ([picture, "--run", "adaptive"], "found results/tiny, results/two"),
        ([picture, "--run", "adaptive", "--results", "results/three"], "does not exist"),
    ]:
        assert main(["talk", *map(str, arguments)]) == 1
        told, err = capsys.readouterr()
        assert told == ""
        assert why in err
        assert "defect" not in err


def test_a_rerun_changes_only_dependent_files(project, both, here):
    before = document("tiny")
    module = project.folder / "src/parley/report/figures/curves.py"
    module.write_text(module.read_text() + "\nADDED = 1\n")
    project.snakemake("--cores", "2", config=both["tiny"])
    after = document("tiny")
    assert set(before["activity"]) == set(after["activity"])
    changed = [job for job, told in after["activity"].items() if told != before["activity"][job]]
    assert rules(after, changed) == {"draw_run_figures", "build_report"}
    codes = [job for job in changed if after["activity"][job]["parley:code"] != before["activity"][job]["parley:code"]]
    # The page computes its means with the same module.
    assert "draw_run_figures" in rules(after, codes)
    kept = [entity for entity in after["entity"] if makers(after)[entity] not in changed]
    assert all(after["entity"][entity] == before["entity"][entity] for entity in kept)
    assert main(["verify", "results/tiny"]) == main(["verify", "results/two"]) == 0
    assert "Nothing to be done" in project.snakemake("--cores", "2", config=both["tiny"])


def test_the_result_is_right_after_a_kill_and_another_call(project, both, here):
    config = project.write_config("killed", **{**TINY, "seeds": [1, 2]})
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", str(config)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        until = time.monotonic() + 600
        while not list(Path("results/killed/runs").rglob("best.pt")) and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    assert not Path("results/killed/provenance.json").exists()
    killed = time.time()
    project.snakemake("--unlock", config=config)
    project.snakemake("--cores", "2", config=config)
    found = document("killed")
    assert {facts["parley:state"] for facts in found["entity"].values()} == {AS_MADE}
    assert all(facts["parley:sha256"] == sha256_of(name[5:]) for name, facts in found["entity"].items())
    assert set(makers(found)) == set(found["entity"])
    assert main(["verify", "results/killed"]) == 0
    ended = {
        job: np.datetime64(told["prov:endTime"][:-6]).astype(float) / 1e3 for job, told in found["activity"].items()
    }
    own = {job for entity, job in makers(found).items() if entity.startswith("path:results/killed/")}
    earlier = {job for job in own if ended[job] < killed}
    assert "settle" in rules(found, earlier)
    assert "build_report" in rules(found, own - earlier)
    # Nobody read what had not been made yet.
    for one in found["used"].values():
        assert ended[makers(found)[one["prov:entity"]]] <= ended[one["prov:activity"]]

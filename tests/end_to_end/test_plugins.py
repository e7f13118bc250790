"""Parts of one's own in one file: they work, and an edit reruns the stages that use the edited part and no others."""

import json
import shutil
import zipfile

import pytest
from tiny_runs import TINY

pytestmark = pytest.mark.slow

PARTS = '''"""Parts of my own."""

import numpy as np
from matplotlib.figure import Figure

from parley.game import Channel, Message
from parley.metrics.permutation import against_null
from parley.plugins import channel, figure, metric


@metric("ones", unit="fraction", label="Ones", description="Fraction of ones.", report_row=3)
def ones(conversations, generator):
    """Return the fraction of ones, and a null of coins."""
    bits = conversations.final_messages
    null = np.array([(generator.random(bits.shape) < 0.5).mean() for _ in range(20)])
    return against_null(bits.mean(), null)


@figure("stops", title="When dialogues end", caption="Bars: fraction of dialogues.")
def stops(part):
    """Draw bars."""
    drawing = Figure(figsize=(4, 3))
    drawing.subplots().bar([1, 2], [1, 2])
    return drawing


@channel("noisy", noise_sd=1.0)
class Noisy(Channel):
    """Soft bits with noise in training."""

    differentiable = True
    samples_bits = False

    def send(self, logits, noise):
        """Add noise."""
        probs = logits.sigmoid()
        if noise is None:
            return Message(probs.round(), probs)
        return Message((logits + self.options["noise_sd"] * (noise - 0.5)).sigmoid(), probs)
'''
FILE = "own/my_parts.py"
RUNS = [{"name": "plain"}, {"name": "noisy", "game": {"channel": "noisy", "plugin_options": {"noise_sd": 0.5}}}]
TRAINED = {"train_run", "select_checkpoint", "evaluate_run", "extract_messages", "analyse_run"}
OF_METRIC = {"measure_language", "summarise_languages", "build_report", "write_provenance", "all"}
OF_FIGURE = {"draw_run_figures", "build_report", "write_provenance", "all"}


@pytest.fixture(scope="module")
def own(finished):
    """A project in which the experiment `own` has been made with the parts of a file, and its config."""
    (finished.folder / "own").mkdir()
    (finished.folder / FILE).write_text(PARTS)
    values = {**TINY, "seeds": [1], "runs": RUNS, "plugins": [FILE]}
    config = finished.write_config("own", **values).name
    finished.snakemake("--cores", "2", config=config)
    return finished, config


@pytest.fixture
def edited(own):
    """Edit the file for one test, and return the numbers of the jobs that would run."""
    project, config = own

    def edit(before, after):
        assert before in PARTS
        (project.folder / FILE).write_text(PARTS.replace(before, after))
        return project.jobs(config)

    yield edit
    (project.folder / FILE).write_text(PARTS)


def rows(project, name):
    return [line.split(",") for line in (project.folder / "results/own" / name).read_text().splitlines()]


def test_metric_figure_and_channel_are_in_the_results(own):
    project, _ = own
    folder = project.folder / "results/own"
    assert {row[0] for row in rows(project, "language.csv") if "ones" in row} == {"plain", "noisy"}
    page = (folder / "report.html").read_text()
    assert "When dialogues end" in page
    assert "Fraction of ones." in page
    assert (folder / "figures/stops-noisy.svg").is_file()
    trained = json.loads((folder / "runs/noisy/1/config.json").read_text())
    assert trained["game"]["channel"] == "noisy"
    assert list(trained["plugins"]) == [FILE]
    assert "plugins" not in json.loads((folder / "runs/plain/1/config.json").read_text())


def test_nulls_of_parleys_metrics_are_the_same_with_and_without_those_of_plugins(own):
    project, _ = own
    with_own, without = (
        json.loads((project.folder / f"results/{path}/1/language.json").read_text())["parts"]["test"]
        for path in ("own/runs/plain", "tiny/runs/adaptive")
    )
    assert with_own["measures"].pop("ones") is not None
    for one in (with_own["p"], with_own["null"]):
        del one["ones"]
    assert with_own == without


def test_comments_docstrings_layout_and_new_helpers_rerun_nothing(edited):
    assert edited('"""Draw bars."""', '"""Draw."""  # A comment.\n    # Another.') == {}
    assert edited("import numpy as np\n", "import numpy as np\n\n\ndef helper():\n    return 1\n\n") == {}


def test_an_edit_of_the_metric_reruns_the_language_and_trains_nothing(edited):
    assert set(edited("< 0.5", "< 0.4")) == OF_METRIC


def test_an_edit_of_the_figure_redraws_and_measures_nothing(edited):
    assert set(edited("[1, 2], [1, 2]", "[1, 2], [2, 1]")) == OF_FIGURE


def test_an_edit_of_the_channel_trains_only_the_run_that_names_it(edited, own):
    jobs = edited("noise - 0.5", "noise - 0.4")
    assert {name: jobs[name] for name in TRAINED} == dict.fromkeys(TRAINED, 1)
    project, config = own
    said = project.command("status", "--configfile", config).stdout
    assert "code changed: channel noisy in own/my_parts.py" in " ".join(said.split())


def test_another_folder_of_the_file_reruns_nothing(own):
    project, config = own
    (project.folder / FILE).rename(project.folder / "my_parts.py")
    moved = project.folder / "moved.yaml"
    moved.write_text((project.folder / config).read_text().replace(FILE, "my_parts.py"))
    assert set(project.jobs("moved.yaml")) <= {"write_config", "build_report", "write_provenance", "all"}
    (project.folder / "my_parts.py").rename(project.folder / FILE)


def evaluate(project, out, *options):
    folder = "results/own"
    files = ["--features", f"{folder}/test.hdf5", "--descriptions", f"{folder}/descriptions.csv"]
    return [
        "evaluate",
        f"{folder}/runs/noisy/1/best.pt",
        *files,
        "--words",
        f"{folder}/words.hdf5",
        "--out",
        out,
        *options,
    ]


def test_a_checkpoint_is_evaluated_with_the_channel_that_its_run_records(own):
    project, _ = own
    done = project.command(*evaluate(project, "again"))
    assert done.returncode == 0, done.stderr
    assert f"Loading the plug-in {FILE}" in done.stderr
    found = json.loads((project.folder / "again/evaluation.json").read_text())["parts"]["test"]
    known = json.loads((project.folder / "results/own/runs/noisy/1/evaluation.json").read_text())["parts"]["test"]
    assert found["accuracy@1"] == known["accuracy@1"]


def test_a_changed_or_missing_plugin_of_a_checkpoint_is_named(own):
    project, _ = own
    (project.folder / FILE).write_text(PARTS.replace("noise - 0.5", "noise - 0.4"))
    assert f"Channel noisy in {FILE} was changed since" in project.command(*evaluate(project, "changed")).stderr
    (project.folder / FILE).unlink()
    done = project.command(*evaluate(project, "missing"))
    (project.folder / FILE).write_text(PARTS)
    assert done.returncode == 1
    assert f"trained with the plug-in {FILE}" in done.stderr


def test_code_that_comes_with_results_from_elsewhere_is_not_run(own):
    project, _ = own
    shutil.copytree(project.folder / "results/own/runs", project.folder / "given/results/own/runs")
    command = evaluate(project, "given-out")
    command[1] = "given/results/own/runs/noisy/1/best.pt"
    done = project.command(*command)
    assert done.returncode == 1
    assert f"names the plug-in {FILE}, which is code" in done.stderr
    assert "Loading" not in done.stderr


def test_the_file_is_in_the_provenance_and_in_the_crate(own):
    project, _ = own
    document = json.loads((project.folder / "results/own/provenance.json").read_text())
    assert f"path:{FILE}" in document["entity"]
    project.command("crate", "results/own", "--out", "own.zip")
    with zipfile.ZipFile(project.folder / "own.zip") as crate:
        assert FILE in crate.namelist()


def test_an_error_of_the_file_names_its_line(own, edited):
    project, config = own
    edited("[1, 2], [1, 2]", "[1, 2], [1, 2, 3]")
    said = project.snakemake("--cores", "1", "results/own/figures/stops-plain.svg", config=config, ok=False)
    line = PARTS.splitlines().index("    drawing.subplots().bar([1, 2], [1, 2])") + 1
    assert f"{FILE}, line {line}, in stops: ValueError" in said
    assert "defect of Parley" not in said

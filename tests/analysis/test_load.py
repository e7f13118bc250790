"""What an experiment found, as tables of pandas: nothing is left out, and what failed has its rows."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from made_runs import make_experiment

import parley
from parley.core.errors import ParleyError
from parley.core.failures import write_marker
from parley.export.tidy import COLUMNS
from parley.metrics.conversations import read_conversations

WHY = "The Sender's loss is not finite."


@pytest.fixture
def made(tmp_path):
    """Two runs of two seeds, the last of which failed, and one seed that was never trained."""
    made = make_experiment(tmp_path / "results/made", runs=("one", "two"), seeds=(1, 2), unseen=("fox", "hen"), steps=2)
    config = {"runs": [{"name": "one"}, {"name": "two"}], "seeds": [1, 2, 3]}
    (made.folder / "config.yaml").write_text(yaml.safe_dump(config))
    failed = made.folder / "runs/two/2"
    for name in ("selection.json", "evaluation.json", "messages.hdf5", "messages.ood.hdf5"):
        write_marker(failed / name, WHY)
    settings = {"run": "one", "seed": 1, "k": 2, "game": {"message_bits": 4}, "training": {"frozen": ["sender"]}}
    (made.folder / "runs/one/1/config.json").write_text(json.dumps(settings))
    return made


def test_every_run_has_a_row_even_if_it_failed(made):
    runs = parley.load(made.folder).runs
    owners = list(zip(runs["run"], runs["seed"], strict=True))
    assert owners == [(run, seed) for run in ("one", "two") for seed in (1, 2, 3)]
    assert runs["evaluated"].tolist() == [True, True, False, True, False, False]
    assert runs["failed"].tolist() == [False] * 4 + [True, False]
    assert runs["why"].dropna().tolist() == [WHY]
    assert runs.loc[0, ["step", "k", "game.message_bits", "training.frozen"]].tolist() == [700, 2, 4, ["sender"]]


def test_metrics_are_those_of_the_evaluations_and_failed_seeds_are_rows(made):
    metrics = parley.load(made.folder).metrics
    evaluation = json.loads((made.folder / "runs/one/2/evaluation.json").read_text())["parts"]
    own = metrics.query("run == 'one' and seed == 2 and metric == 'accuracy@k'").set_index("part")["value"]
    assert own.to_dict() == {part: entry["accuracy@k"] for part, entry in evaluation.items()}
    lost = metrics.query("run == 'two' and seed in (2, 3)")
    assert len(lost) == 2 * len(metrics.query("run == 'one' and seed == 2"))
    assert lost["value"].isna().all()
    assert set(metrics.query("metric == 'nll'")["unit"]) == {"nats"}
    assert metrics["value"].dtype == float


def test_language_metrics_are_included_where_they_were_measured(made):
    found = {"measures": {"information": 2.5, "dead_bits": None}, "p": {"information": 0.01}}
    path = made.folder / "runs/one/1/language.json"
    path.write_text(json.dumps({"run": "one", "seed": 1, "parts": {"test": found}}))
    metrics = parley.load(made.folder).metrics.query("metric == 'information'")
    assert metrics.query("run == 'one' and seed == 1")[["value", "unit", "p"]].to_numpy().tolist() == [
        [2.5, "bits", 0.01]
    ]
    assert len(metrics) == 6
    assert metrics["value"].notna().sum() == 1


def test_a_metric_of_both_files_has_the_value_of_the_evaluation_and_the_null_of_language_json(made):
    measures = {"accuracy@1": 0.123, "macro_f1": 0.25}
    found = {
        "measures": measures,
        "p": {"accuracy@1": 0.01, "macro_f1": None},
        "null": {"accuracy@1": {"mean": 0.2, "high": 0.3}, "macro_f1": None},
    }
    path = made.folder / "runs/one/1/language.json"
    path.write_text(json.dumps({"run": "one", "seed": 1, "parts": {"test": found}}))
    metrics = parley.load(made.folder).metrics
    assert metrics.columns.tolist() == ["run", "seed", "part", "metric", "value", "unit", "p", "null_mean", "null_high"]
    assert not metrics.duplicated(["run", "seed", "part", "metric"]).any()
    own = metrics.query("run == 'one' and seed == 1 and part == 'test'").set_index("metric")
    evaluation = json.loads((made.folder / "runs/one/1/evaluation.json").read_text())["parts"]["test"]
    told = own.loc["accuracy@1", ["value", "p", "null_mean", "null_high"]]
    assert told.tolist() == [evaluation["accuracy@1"], 0.01, 0.2, 0.3]
    assert own.loc["macro_f1", "value"] == 0.25
    assert own.loc["macro_f1", ["p", "null_mean", "null_high"]].isna().all()


def test_the_summary_counts_the_seeds_that_have_been_run(made):
    summary = parley.load(made.folder).summary.query("part == 'test' and metric == 'accuracy@1'")
    assert summary[["n_seeds", "seeds_failed"]].to_numpy().tolist() == [[2, 0], [1, 1]]


def test_curves_are_the_dev_lines(made):
    curves = parley.load(made.folder).curves
    assert len(curves) == 4 * 8
    assert curves.columns.tolist() == ["run", "seed", "step", "accuracy@1", "accuracy@k", "nll", "length"]
    assert curves.query("run == 'two' and seed == 1")["step"].tolist() == list(range(100, 900, 100))


def test_messages_are_read_on_demand(made):
    found = parley.load(made.folder)
    one = found.messages(run="one", seed=1)
    said = read_conversations(made.folder / "runs/one/1/messages.hdf5")
    assert one.columns.tolist() == list(COLUMNS)
    assert len(one) == len(said.keys) * 2 * 2
    last = one[(one["exchange"] == one["length"]) & (one["agent"] == "Receiver")]
    right = (last["predicted"] == last["class"]).to_numpy(dtype=bool)
    assert np.array_equal(right, said.final_scores.argmax(1) == said.targets)
    assert one.loc[0, "predicted"] is pd.NA
    assert np.stack(one["probabilities"]).shape == (len(one), 4)
    assert set(found.messages(part=None)["part"]) == {"test", "ood"}
    owners = found.messages()[["run", "seed"]].drop_duplicates().to_numpy().tolist()
    assert owners == [["one", 1], ["one", 2], ["two", 1]]


def test_the_parquet_file_has_the_same_content(made, tmp_path):
    from parley.export.parquet import write_parquet

    write_parquet(made.files("messages.hdf5")[:1], {}, "made", [], tmp_path / "messages.parquet")
    written = pd.read_parquet(tmp_path / "messages.parquet").drop(columns=["probabilities", "numbers"])
    read = parley.load(made.folder).messages("one", 1).drop(columns=["probabilities", "numbers"])
    pd.testing.assert_frame_equal(written.astype(read.dtypes.to_dict()), read, check_exact=True)


@pytest.mark.parametrize("asked", [{"run": "three"}, {"seed": 9}, {"part": "transfer"}, {"run": "two", "seed": 2}])
def test_missing_dialogues_are_reported(made, asked):
    with pytest.raises(ParleyError, match=r"has no dialogues of .*; its runs are one, two\. To write"):
        parley.load(made.folder).messages(**asked)


@pytest.mark.parametrize("name", ["one/2/messages.hdf5", "two/1/messages.hdf5", "one/1/messages.ood.hdf5"])
def test_dialogues_of_another_run_seed_or_split_are_refused(made, name):
    path = made.folder / "runs/one/1/messages.hdf5"
    path.write_bytes((made.folder / "runs" / name).read_bytes())
    with pytest.raises(ParleyError, match=r"contains dialogues of run .*, not of run one, seed 1, split test; remove"):
        parley.load(made.folder).messages(run="one", seed=1)


def test_a_folder_without_an_experiment_is_refused(tmp_path):
    made_by = rf"`uv run snakemake --cores 1 results/{tmp_path.name}/config\.yaml`"
    with pytest.raises(ParleyError, match=rf"is not an experiment's folder: it has no config\.yaml.*{made_by}"):
        parley.load(tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        "runs: 3",
        "runs: []\nseeds: [1]",
        "runs: [{name: a}]\nseeds: []",
        "runs: [{name: 5}]\nseeds: [1]",
        "runs: [{name: a}]\nseeds: [one]",
        "runs: [{name: a}]\nseeds: [true]",
        "runs: [a]\nseeds: [1]",
        "runs: {name: a}\nseeds: 1",
        "- runs",
        "runs: [",
    ],
)
def test_a_config_without_runs_and_seeds_is_refused(tmp_path, config):
    (tmp_path / "config.yaml").write_text(config)
    with pytest.raises(ParleyError, match="does not list runs and seeds"):
        parley.load(tmp_path)


@pytest.mark.parametrize("settings", ["[]", "null", "3", "{}", "{"])
def test_an_edited_config_of_a_run_is_named(made, settings):
    (made.folder / "runs/one/1/config.json").write_text(settings)
    with pytest.raises(ParleyError, match=r"runs/one/1/config\.json"):
        parley.load(made.folder)


def test_importing_the_package_stays_light_and_loading_needs_no_torch(made):
    program = (
        "import sys, parley\n"
        "assert not {'pandas', 'numpy', 'torch'} & set(sys.modules)\n"
        f"parley.load({str(made.folder)!r}).messages()\n"
        "assert not {'torch', 'pyarrow.parquet', 'matplotlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_other_names_are_unknown():
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = parley.lod

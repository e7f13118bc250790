"""What one change makes: differences from a base run, seed by seed."""

import json
import re

import pytest
import yaml
from scipy.stats import ttest_rel

from parley.analysis.comparisons import changes, read_runs
from parley.cli.main import main
from parley.core.errors import ParleyError
from parley.core.failures import write_marker
from parley.metrics.statistics import holm

BASE, ONE, OTHER = [0.50, 0.60, 0.55, 0.52], [0.70, 0.79, 0.77, 0.73], [0.51, 0.58, 0.56, 0.52]


def write(folder, run, values, part="test", **counts):
    for seed, value in enumerate(values):
        path = folder / f"runs/{run}/{seed}/evaluation.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        if value is None:
            write_marker(path, "its loss is not finite")
        else:
            path.write_text(
                json.dumps({"run": run, "seed": seed, "k": 1, "parts": {part: {"accuracy@1": value} | counts}})
            )


def name_runs(folder, *runs, seeds=(0, 1, 2, 3)):
    folder.mkdir(exist_ok=True)
    config = {"runs": [{"name": run} for run in runs], "seeds": list(seeds)}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture
def experiment(tmp_path):
    folder = tmp_path / "switches"
    for run, values in (("base", BASE), ("one", ONE), ("other", OTHER)):
        write(folder, run, values)
    name_runs(folder, "base", "one", "other")
    return folder


def test_differences_are_paired_and_corrected_over_the_runs(experiment):
    found = {one.run: one for one in changes(read_runs([experiment]), "base", "test", ["accuracy@1"])}
    assert list(found) == ["one", "other"]
    ps = [ttest_rel(values, BASE).pvalue for values in (ONE, OTHER)]
    assert found["one"].by_metric["accuracy@1"].difference == pytest.approx(0.205)
    assert found["one"].by_metric["accuracy@1"].t_p == pytest.approx(ps[0])
    assert [one.corrected["accuracy@1"] for one in found.values()] == pytest.approx(holm(ps).tolist())


def test_runs_of_several_experiments_have_distinct_names(experiment, tmp_path, capsys):
    write(tmp_path / "pooling", "base", [*OTHER[:3], None])
    name_runs(tmp_path / "pooling", "base")
    arguments = [
        "compare",
        str(experiment),
        str(tmp_path / "pooling"),
        "--base",
        "switches/base",
        "--metric",
        "accuracy@1",
    ]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| Run | accuracy@1 |"
    assert lines[2] == "| switches/base | 0.542 (n = 4) |"
    assert lines[3].startswith("| switches/one | +0.205 \\[+0.1")
    assert re.search(r"\(n = 4, d = \+\d+\.\d\) \\\* \|$", lines[3])
    assert lines[5].startswith("| pooling/base | +0.000 \\[-0.0")
    assert lines[5].endswith("(n = 3, d = +0.0) |")
    assert lines[-3].endswith("Holm's correction over the runs of this table, separately for each metric.")
    assert lines[-1] == "pooling/base was evaluated on 3 seeds, switches/base on 4 seeds."
    page = tmp_path / "page.md"
    page.write_text("<!-- table changes -->\n<!-- end -->\n")
    assert main([*arguments, "--into", str(page)]) == 0
    assert page.read_text().splitlines()[1:-1] == lines


@pytest.mark.parametrize(
    ("counts", "seeds", "extent"),
    [
        ({"n": 300, "candidates": 30, "k": 3}, 4, "300 images, 30 candidates and 4 seeds with k = 3"),
        ({"n": 200, "candidates": 1, "k": 3}, 4, "200 images, 1 candidate and 4 seeds with k = 3"),
        ({"n": 200, "candidates": 30, "k": 3}, 2, "200 images, 30 candidates and 2 seeds with k = 3"),
        ({"n": 200, "candidates": 30, "k": 2}, 4, "200 images, 30 candidates and 4 seeds with k = 2"),
        ({}, 0, "0 seeds"),
        ({"n": 200, "candidates": 30, "k": 3}, 4, None),
    ],
)
def test_runs_on_other_images_candidates_seeds_or_k_are_named(tmp_path, capsys, counts, seeds, extent):
    write(tmp_path / "one", "base", BASE, n=200, candidates=30, k=3)
    write(tmp_path / "other", "base", OTHER[:seeds] or OTHER, "test" if seeds else "dev", **counts)
    for name in ("one", "other"):
        name_runs(tmp_path / name, "base")
    folders = [str(tmp_path / "one"), str(tmp_path / "other")]
    assert main(["compare", *folders, "--base", "one/base", "--metric", "accuracy@1"]) == 0
    told = f"other/base was evaluated on {extent}, one/base on 200 images, 30 candidates and 4 seeds with k = 3."
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == told if extent else "was evaluated on" not in last


def test_unknown_runs_splits_and_metrics_are_refused(experiment, tmp_path, capsys):
    runs = read_runs([experiment])
    with pytest.raises(ParleyError, match="There is no run lost to compare with; the runs are base, one, other"):
        changes(runs, "lost", "test")
    with pytest.raises(ParleyError, match="No run was evaluated on the split ood"):
        changes(runs, "base", "ood")
    assert main(["compare", str(tmp_path / "nothing"), "--base", "base"]) == 1
    assert (
        "it has no config.yaml. Give results/<experiment>; to write the file, run `uv run snakemake "
        in capsys.readouterr().err
    )
    name_runs(tmp_path / "nothing", "base")
    assert main(["compare", str(tmp_path / "nothing"), "--base", "base"]) == 1
    assert "contains no evaluation of any run in its config.yaml" in capsys.readouterr().err
    assert main(["compare", str(experiment), "--base", "base", "--metric", "accuracy"]) == 1
    assert "No evaluation has the metric accuracy; the metrics are accuracy@1." in capsys.readouterr().err


def test_a_missing_value_is_not_measured_and_not_zero(experiment, capsys):
    write(experiment, "one", [None, None, None, 0.5], part="dev")
    assert main(["compare", str(experiment), "--base", "base", "--metric", "accuracy@1"]) == 0
    assert capsys.readouterr().out.count("not measured") == 1


def test_runs_and_seeds_that_the_config_no_longer_names_are_not_compared(experiment):
    name_runs(experiment, "other", "base", seeds=(0, 1, 2))
    runs = read_runs([experiment])
    assert {run: list(seeds) for run, seeds in runs.items()} == {"other": [0, 1, 2], "base": [0, 1, 2]}
    (found,) = changes(runs, "base", "test", ["accuracy@1"])
    # Nothing is corrected over runs that are not there.
    assert found.corrected["accuracy@1"] == pytest.approx(ttest_rel(OTHER[:3], BASE[:3]).pvalue)


def test_only_the_runs_that_are_named_are_compared_and_corrected_for(experiment, capsys):
    arguments = ["compare", str(experiment), "--base", "base", "--metric", "accuracy@1"]
    assert main([*arguments, "--run", "other"]) == 0
    assert [line.split(" ")[1] for line in capsys.readouterr().out.splitlines()[2:4]] == ["base", "other"]
    assert main([*arguments, "--run", "lost"]) == 1
    assert "There is no run lost; the runs are base, one, other." in capsys.readouterr().err


def test_the_base_run_alone_has_the_chosen_metrics(experiment, capsys):
    name_runs(experiment, "base")
    assert main(["compare", str(experiment), "--base", "base", "--metric", "accuracy@1"]) == 0
    assert capsys.readouterr().out.splitlines() == ["| Run | accuracy@1 |", "|---|---|", "| base | 0.542 (n = 4) |"]

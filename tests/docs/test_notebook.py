"""The notebook of the documentation: its cells run on any experiment, and what is kept of them is small and clean."""

import json
from pathlib import Path

import matplotlib as mpl
import pytest
import yaml
from made_runs import make_experiment

NOTEBOOK = Path(__file__).parents[2] / "docs/notebook.ipynb"
MOST_BYTES = 200_000
FOLDER = '"../results/world"'


@pytest.fixture
def cells():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def sources(cells):
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)])
def test_every_cell_runs_on_another_experiment(cells, tmp_path, monkeypatch, capsys, seeds):
    made = make_experiment(tmp_path / "made", seeds=seeds, unseen=("fox",))
    (made.folder / "config.yaml").write_text(yaml.safe_dump({"runs": [{"name": "adaptive"}], "seeds": list(seeds)}))
    monkeypatch.setattr(mpl, "rcParams", mpl.rcParams.copy())
    mpl.use("Agg", force=True)
    program = "\n".join(sources(cells))
    assert program.count(FOLDER) == 1
    exec(compile(program.replace(FOLDER, repr(str(made.folder))), str(NOTEBOOK), "exec"), {})
    mpl.pyplot.close("all")
    told = capsys.readouterr().out
    assert "conversations  accuracy" in told
    assert "corrected" in told


def test_it_was_executed_from_top_to_bottom_without_an_error(cells):
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert all(output["output_type"] != "error" for cell in code for output in cell["outputs"])
    assert all(cell["outputs"] for cell in code)


def test_notebook_is_small_and_has_no_local_paths():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < MOST_BYTES
    assert not any(place in text for place in ("/tmp/", "/home/", "/root/", "/Users/"))
    assert "Warning" not in text

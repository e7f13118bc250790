"""docs/outputs.md names every file of an experiment and every column, and the check of that finds what it does not."""

from pathlib import Path

import h5py
import pytest

TEXT = (Path(__file__).parents[2] / "docs/outputs.md").read_text(encoding="utf-8")


@pytest.fixture
def undocumented(program):
    return program(".ci/check_documented.py").undocumented


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_known_files_and_columns_pass(undocumented, tmp_path):
    write(
        tmp_path,
        plan_dot_tsv="class\tkey\tpart\trank\n",
        figures__confusion_dot_svg="",
        logs__train_run__adaptive_dot_log="",
        runs__adaptive__3__checkpoints___dot_snakemake_timestamp="",
        runs__adaptive__3___dot_records__train_run_dot_json="",
        runs__adaptive__4___dot_unfinished__metrics_dot_jsonl="",
        export__elcc__systems__world__data__a__corpus_dot_jsonl="",
    )
    with h5py.File(tmp_path / "runs/adaptive/3/messages.ood.hdf5", "w") as file:
        file["Communication"], file.attrs["step"] = [1], 3
    assert undocumented(tmp_path, TEXT) == []


@pytest.mark.parametrize(("backbone", "told"), [("squeezenet1_0", []), ("resnet34", ["test.hdf5: maps is not named."])])
def test_feature_names_are_read_from_attributes(undocumented, tmp_path, backbone, told):
    with h5py.File(tmp_path / "test.hdf5", "w") as file:
        file["maps"], file.attrs["map"], file.attrs["backbone"] = [1], "maps", backbone
    assert undocumented(tmp_path, TEXT) == told


def test_a_file_that_is_not_named_is_found_wherever_it_lies(undocumented, tmp_path):
    write(tmp_path, plan_dot_csv="", runs__adaptive__3__plan_dot_tsv="class\n", figures__a__b_dot_svg="")
    assert undocumented(tmp_path, TEXT) == [
        "figures/a/b.svg is not named.",
        "plan.csv is not named.",
        "runs/adaptive/3/plan.tsv is not named.",
    ]


def test_undocumented_column_is_detected(undocumented, tmp_path):
    write(tmp_path, plan_dot_tsv="class\tkey\tpart\trank\tsha256\n", agreement_dot_csv="run,part,largest_p\n")
    (tmp_path / "runs/a/1").mkdir(parents=True)
    with h5py.File(tmp_path / "runs/a/1/messages.hdf5", "w") as file:
        file["Talk"], file.attrs["mood"] = [1], "good"
    assert undocumented(tmp_path, TEXT) == [
        "agreement.csv: largest_p is not named.",
        "plan.tsv: sha256 is not named.",
        "runs/a/1/messages.hdf5: Talk, mood is not named.",
    ]


def test_removed_row_is_detected(undocumented, tmp_path):
    write(tmp_path, funnel_dot_json="{}")
    assert undocumented(tmp_path, TEXT) == []
    shorter = TEXT.replace("| `funnel.json` |", "| `funnels` |").replace("### `funnel.json`", "### Funnels")
    assert undocumented(tmp_path, shorter) == ["funnel.json is not named."]

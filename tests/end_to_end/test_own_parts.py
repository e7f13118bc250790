"""The files of docs/extending.md, as a new user would write them, in an experiment on their own image source."""

import csv
import json

import pandas as pd
import pytest
import yaml
from plugin_examples import FILES, SETTINGS
from tiny_runs import TINY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(finished):
    """The results of an experiment with every part of the page."""
    for name, text in FILES.items():
        (finished.folder / name).write_text(text)
    images = sorted((finished.folder / "resources/world").glob("*/*/*.*"))
    rows = [(path.parent.name, str(path.relative_to(finished.folder))) for path in images]
    pd.DataFrame(rows, columns=["class", "url"]).to_parquet(finished.folder / "pictures.parquet")
    written = {key: value for text in SETTINGS for key, value in yaml.safe_load(text).items()}
    rewarded = {"baseline": "recent_mean", "reward": "near_miss", "plugin_options": {"among": 2}}
    agents = {"sender": "remembering", "receiver": "transformer", "plugin_options": {"width": 16}}
    runs = [*written["runs"], {"name": "rewarded", "game": rewarded, "training": {"augmentations": ["brightness"]}}]
    runs.append({"name": "agents", "game": agents})
    config = TINY | {"source": written["source"], "seeds": [1], "runs": runs, "plugins": sorted(FILES)}
    finished.snakemake("--cores", "2", config=finished.write_config("own", **config).name)
    return finished.folder / "results/own"


def test_images_are_those_of_the_parquet_file(made):
    with (made / "images.tsv").open() as stream:
        images = list(csv.DictReader(stream, delimiter="\t"))
    assert images
    assert all(row["url"].startswith("resources/world/") for row in images)
    assert "a plug-in's list of URLs and paths" in (made / "data_card.md").read_text()


def test_every_run_has_the_metric_and_the_figure(made):
    with (made / "language.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"] == "redundancy" and row["mean"]]
    assert {row["run"] for row in rows} <= {"bits", "noisy", "rewarded", "agents"}
    assert all(0 <= float(row["mean"]) <= 1 and row["unit"] == "fraction" for row in rows)
    for run in ("bits", "noisy", "rewarded", "agents"):
        assert (made / f"figures/stops-{run}.svg").is_file()
    assert "Bars: fraction of test dialogues, mean over seeds." in (made / "report.html").read_text()


def test_runs_record_the_parts_that_they_name(made):
    recorded = {
        run: json.loads((made / f"runs/{run}/1/config.json").read_text()).get("plugins", {})
        for run in ("bits", "noisy", "rewarded", "agents")
    }
    assert {run: sorted(files) for run, files in recorded.items()} == {
        "bits": [],
        "noisy": ["noisy_channel.py"],
        "rewarded": ["brightness_augmentation.py", "near_miss_reward.py", "recent_baseline.py"],
        "agents": ["remembering_sender.py", "transformer_receiver.py"],
    }

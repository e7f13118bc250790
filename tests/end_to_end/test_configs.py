"""The configs that come with Parley: the paper's plan in full, the 2017 code's against a true URL list."""

import itertools
import os

import pytest
import yaml

pytestmark = pytest.mark.slow


def test_the_papers_experiment_shows_its_whole_plan(project):
    rules = project.planned("config/mammals70.yaml")
    assert {"list_archives", "select_classes", "split", "settle", "gather_features", "train_run"} <= rules
    assert {"extract_messages", "analyse_run", "summarise", "draw_figures", "build_report", "all"} <= rules
    out = project.snakemake("-n", config="config/mammals70.yaml")
    # Four runs of five seeds.
    assert "train_run                   20" in out


@pytest.mark.parametrize("name", ["animals30", "awa2", "imagenette", "pets", "tiny-imagenet"])
def test_a_data_set_that_can_be_downloaded_shows_its_whole_plan(project, name):
    rules = project.planned(f"config/{name}.yaml")
    assert {"download_dataset" if name == "pets" else "list_archives", "settle", "train_run", "build_report"} <= rules
    assert ("write_attributes" in rules) == (name == "awa2")


@pytest.mark.parametrize("name", ["animals30", "mammals70"])
def test_the_url_list_in_a_comment_is_a_working_alternative(project, name):
    lines = (project.folder / f"config/{name}.yaml").read_text().splitlines()
    start = lines.index("# source:")
    commented = itertools.takewhile(lambda line: line.startswith("#"), lines[start:])
    source = yaml.safe_load("\n".join(line[2:] for line in commented))["source"]
    override = f"source={yaml.safe_dump(source, default_flow_style=True, width=10_000).strip()}"
    out = project.snakemake("-n", "classes", "--config", override, config=f"config/{name}.yaml")
    assert "download_urls" in out


@pytest.mark.parametrize(
    "target", ["evaluate", "messages", "summary", "comparisons", "difficulty", "metrics", "tables", "export", "claims"]
)
def test_targets_also_write_the_config(project, target):
    assert "write_config" in project.planned("config.yaml", target)


def test_photos_config_needs_a_class_set(project):
    out = project.snakemake("-n", config="config/photos.yaml", ok=False)
    assert "config/classes/photos.tsv does not exist" in out


@pytest.mark.skipif(not os.environ.get("PARLEY_URLS"), reason="needs PARLEY_URLS, rows of ImageNet's fall-2011 list")
def test_all_short_classes_are_listed(project):
    urls = f'locations: ["{os.environ["PARLEY_URLS"]}"], filter_url: static.flickr'
    override = f"source={{kind: url_list, url_list: {{{urls}}}}}"
    out = project.snakemake("--cores", "1", "classes", "--config", override, config="config/animals30.yaml", ok=False)
    told = [line for line in out.splitlines() if line.startswith("select_classes: Class ")]
    assert len(told) == 30
    assert any("koala (n01882714): 76 of its 100 entries contain 'static.flickr'" in line for line in told)
    assert any("peacock (n01806143) is absent from the source" in line for line in told)
    assert "30 of 30 classes have too few candidates" in out


def test_settings_of_the_command_line_change_values_in_lists_and_sections(project):
    settings = ["--config", "training={steps: 20, dev_every: 10}", "seeds=[7]", "experiment=012", "words={seed: 1e0}"]
    target = "results/012/config.yaml"
    out = project.snakemake("--cores", "1", target, *settings)
    assert "Finished jobid" in out
    written = yaml.safe_load((project.folder / target).read_text())
    given = yaml.safe_load((project.folder / "config.yaml").read_text())
    assert written["training"]["steps"] == 20
    assert written["training"]["learning_rate"] == given["training"]["learning_rate"]
    assert written["seeds"] == [7]
    assert "Nothing to be done" in project.snakemake("-n", target, *settings)
    out = project.snakemake("-n", "--config", "training={step: 20}", "seeds=1", "steps=20", ok=False)
    assert "the key training.step is unknown; did you mean steps?" in out
    assert "seeds is 1; it must be of type array" in out
    assert "the key steps is unknown; did you mean `training: {steps: ...}`?" in out


def test_glosses_are_shown_once_before_the_classes_are_described(project):
    (project.folder / "bass.tsv").write_text("class\twnid\tdomain\nbass\tn09842528\tin\nlion\tn02129165\tin\n")
    config = project.write_config("glosses", classes="bass.tsv", source={"kind": "world"}, evaluation={"k": 1})
    line = "  bass  an adult male singer with the lowest voice"
    assert line not in project.snakemake("-n", "descriptions", config=config)
    out = project.snakemake("--cores", "1", "descriptions", config=config)
    assert out.count(line) == 1
    assert out.index(line) < out.index("Describing the classes")
    assert line not in project.snakemake("--cores", "1", "--quiet", "all", "-F", "descriptions", config=config)
    assert line not in project.snakemake("--cores", "1", "descriptions", config=config)

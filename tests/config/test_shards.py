"""Large class sets: folders of many classes' files in place of a file a class."""

import os
import re
import subprocess

import pytest
import yaml
from whole_lines import ROOT, preloaded_snakemake

from parley.config.paths import MOST_BY_FILE, SHARDS, Paths, grouped, shards_of
from parley.core.files import by_class, files_for, files_in
from parley.dataset.class_set import ImageClass


def names_of(count):
    return [f"synset.n{number:08d}" for number in range(count)]


@pytest.mark.parametrize("count", [1, 30, MOST_BY_FILE])
def test_a_set_that_is_not_large_has_a_file_a_class(count):
    assert shards_of(names_of(count)) == {}
    paths = Paths("e", "pool", "network", "", "", ())
    names = names_of(count)
    assert paths.class_files("tar", names) == [f"resources/images/pool/{name}.tar" for name in names]


@pytest.mark.parametrize("count", [MOST_BY_FILE + 1, 21_841])
def test_the_shards_of_a_large_set_have_each_class_once(count):
    shards = shards_of(names_of(count))
    assert [name for names in shards.values() for name in names] == names_of(count)
    assert len(shards) <= SHARDS
    assert max(map(len, shards.values())) == -(-count // SHARDS)
    classes = [ImageClass(name, "", "in") for name in names_of(count)]
    assert grouped(classes, per_job=3) == list(shards.values())


@pytest.mark.parametrize(("count", "jobs"), [(1, 1), (30, 2), (300, 20), (301, 19), (999, 20), (MOST_BY_FILE, 20)])
def test_a_stage_has_no_more_jobs_than_their_starts_are_worth(count, jobs):
    classes = [ImageClass(name, "", "in") for name in names_of(count)]
    groups = grouped(classes, None)
    assert [name for group in groups for name in group] == names_of(count)
    assert len(groups) == jobs
    assert len(grouped(classes, 1)) == count


def test_a_shard_is_named_once_for_all_its_classes():
    names = names_of(2000)
    shard_of = {name: shard for shard, held in shards_of(names).items() for name in held}
    paths = Paths("e", "pool", "network", "", "", (), shard_of)
    assert paths.class_files("hdf5", names[:40]) == [
        "resources/features/network/pool/shard-000",
        "resources/features/network/pool/shard-001",
    ]
    assert paths.class_files("tar", names) == paths.class_files("tsv", names)
    assert len(paths.class_files("hash", names)) == SHARDS


def test_files_in_and_outside_shards_are_found(tmp_path):
    (tmp_path / "shard-000/.records").mkdir(parents=True)
    for name in ("b.n2.tar", "a[1].tar", "a[1].tsv", ".hidden.tar"):
        (tmp_path / "shard-000" / name).touch()
    assert files_in(["c.tar", tmp_path / "shard-000"], ".tar") == [
        "c.tar",
        str(tmp_path / "shard-000/a[1].tar"),
        str(tmp_path / "shard-000/b.n2.tar"),
    ]
    assert by_class([tmp_path / "shard-000"], ".tar").keys() == {"a[1]", "b.n2"}


def test_each_output_is_that_of_its_source(tmp_path):
    tars = ["x/b.n2.tar", "x/a.tar"]
    assert files_for(tars, ["y/b.n2.tsv", "y/a.tsv"], ".tsv") == ["y/b.n2.tsv", "y/a.tsv"]
    shard = tmp_path / "hashes/shard-000"
    assert files_for(tars, [str(shard)], ".tsv") == [str(shard / "b.n2.tsv"), str(shard / "a.tsv")]
    assert shard.is_dir()


def planned(folder, classes, *arguments, **config):
    """Plan a class set of this size by a dry run; return the number of jobs of each rule, and what is printed."""
    rows = [f"{name}\tn{number:08d}\tin\ta class\n" for number, name in enumerate(names_of(classes))]
    (folder / "many.tsv").write_text("class\twnid\tdomain\tdescription\n" + "".join(rows))
    (folder / "urls.txt").touch()
    source = {"kind": "url_list", "url_list": {"locations": ["urls.txt"]}}
    evaluation = {"recorded_images": 10}  # All dialogues about 22,000 classes would need terabytes.
    config = {"experiment": "many", "classes": "many.tsv", "source": source, "evaluation": evaluation, **config}
    (folder / "many.yaml").write_text(yaml.safe_dump(config))
    command = [*preloaded_snakemake(), "-n", "--snakefile", str(ROOT / "Snakefile"), *arguments]
    done = subprocess.run(
        [*command, "--configfile", "many.yaml", "--quiet", "host"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    stats = done.stdout.partition("Job stats:")[2].partition("\n\n")[0]
    return dict(re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE)), done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("classes", [40, 1001])
def test_one_rule_name_selects_all_groups_of_classes_or_seeds(tmp_path, classes):
    jobs, _ = planned(tmp_path, classes, "--until", "extract_features")
    extracted = {name for name in jobs if name.startswith("extract_features_")}
    assert len(extracted) == (3 if classes == 40 else 91)
    assert not {"gather_features", "settle"} & jobs.keys()
    jobs, _ = planned(tmp_path, classes, "--until", "split", "train_run")
    assert {"split", "settle", "train_run"} <= jobs.keys()
    forced = ["--forcerun", "train_run", "--until", "train_run"]
    jobs, printed = planned(tmp_path, classes, *forced, seeds=[1, 2, 3], seeds_per_job=2)
    assert {"train_run_1", "train_run_3"} <= jobs.keys()
    assert printed.count("Reason: Forced execution") == 2
    assert "select_checkpoint" not in jobs


@pytest.mark.slow
def test_the_plan_of_a_large_set_does_not_grow_with_its_classes(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    jobs, printed = planned(tmp_path / "a", 1100)
    more, printed_of_more = planned(tmp_path / "b", 22_000)
    assert jobs == more
    assert sum(name.startswith("fetch_images") for name in jobs) == SHARDS
    assert sum(name.startswith("extract_features") for name in jobs) == SHARDS
    # No rule lists its classes: the names of shards and of first and last classes are all that there is to print.
    assert len(printed_of_more.splitlines()) == len(printed.splitlines())
    assert len(printed_of_more) < 1.05 * len(printed)

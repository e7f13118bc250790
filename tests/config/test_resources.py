"""Memory, disk and GPUs of rules."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from parley.config.experiment import read_experiment
from parley.config.resources import RuleResources, extraction_threads, gpus
from parley.dataset.class_set import read_class_set

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def resources():
    raw = {
        "experiment": "e",
        "source": {"kind": "world"},
        "classes": str(ROOT / "config/classes/world.tsv"),
        "runs": [
            {"name": "plain"},
            {"name": "attends", "game": {"preset": "AdaptiveAttention"}, "training": {"device": "cuda"}},
        ],
    }
    config, classes, _ = read_experiment(raw, ROOT / "workflow/schemas/config.schema.yaml")
    return RuleResources(config, classes)


def of(run):
    return SimpleNamespace(run=run)


def test_memory_grows_with_attention_and_the_extra_request(resources):
    plain, attends = (resources.memory_mb_of_run()(of(run)) for run in ("plain", "attends"))
    assert plain == 3000
    assert 3000 < attends <= 6300
    assert resources.memory_mb_of_run(500)(of("plain")) == 3500


def test_disk_grows_with_the_inputs_and_with_the_seeds(resources):
    small, large = SimpleNamespace(size_mb=0), SimpleNamespace(size_mb=500)
    one, two = (resources.training_disk_mb_of_inputs(seeds) for seeds in (1, 2))
    assert one(of("plain"), large) == one(of("plain"), small) + 500
    assert two(of("plain"), small) - 1000 == 2 * (one(of("plain"), small) - 1000)
    assert resources.features_disk_mb_of_inputs([])(of("plain"), large) == 1500
    assert resources.fetch_disk_mb([]) == 1000
    assert resources.world_disk_mb() > 1000


@pytest.mark.parametrize(
    ("jobs", "cores", "threads"), [(2, 1, 1), (2, 2, 1), (20, 4, 1), (1, 2, 2), (2, 4, 2), (20, None, 2)]
)
def test_jobs_that_extract_features_have_two_threads_if_cores_would_be_idle(jobs, cores, threads):
    assert extraction_threads(jobs, cores) == threads


def test_gpus_are_asked_for_by_name_alone(resources):
    assert [gpus(device) for device in ("cpu", "auto", "cuda")] == [None, None, 1]
    assert resources.gpus_of_run(of("plain")) is None
    assert resources.gpus_of_run(of("attends")) == 1


def archive_mb(*locations, size=2_000_000_000):
    section = {"locations": [str(one) for one in locations], "members": "{class}/*", "size": size}
    return source_mb({"kind": "archive", "archive": section})


def source_mb(source):
    raw = {"experiment": "e", "source": source}
    raw["classes"] = str(ROOT / "config/classes/world.tsv")
    config, classes, _ = read_experiment(raw, ROOT / "workflow/schemas/config.schema.yaml")
    return RuleResources(config, classes).archive_disk().get("disk_mb")


def test_disk_for_an_archive_counts_its_copies_if_its_size_is_known(tmp_path):
    packed, plain = tmp_path / "a.tgz", tmp_path / "a.zip"
    for path in (packed, plain):
        path.touch()
    assert archive_mb("https://example.org/a.ZIP") == archive_mb("https://example.org/a.tar") == 3000
    assert archive_mb("https://example.org/a.tar.gz") == 5000
    assert archive_mb(packed, "https://example.org/a.tgz") == 3000
    assert archive_mb(plain) == 1000
    assert archive_mb("https://example.org/a.zip", size=None) is None
    classes = len(read_class_set(ROOT / "config/classes/world.tsv"))
    assert source_mb({"kind": "tars", "tars": {"url": "https://example.org/{wnid}.tar"}}) == 1000 + 200 * classes


def test_a_drawn_world_needs_no_network(resources):
    assert resources.fetch_connections() == 0

"""An experiment whose files all lie in an object store is the experiment of one disk.

The store is a real server on loopback. Two folders that share no file stand for two pods: the first makes the
images, the second has nothing but the store.
"""

import pytest
from object_store import KEYS, object_store
from same_bytes import differing
from tiny_runs import TINY, write_classes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with object_store(tmp_path_factory.mktemp("store") / "log") as running, pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        yield running


def test_two_disks_with_a_store_between_them_leave_what_one_disk_does(another_project, store, tmp_path):
    alone, first, second = another_project(), another_project(), another_project()
    for project in (alone, first, second):
        write_classes(project.folder)
        config = project.write_config("stored", **TINY)
    alone.snakemake("--cores", "2", config=alone.folder / "stored.yaml")
    stored = ["--default-storage-provider", "s3", "--default-storage-prefix", "s3://parley/here"]
    stored += ["--storage-s3-endpoint-url", store.address, "--shared-fs-usage", "none", "--cores", "2"]
    first.snakemake(*stored, "splits", config=first.folder / "stored.yaml")
    assert not (first.folder / "results").exists()
    told = second.snakemake(*stored, "all", config=config)
    assert "Fetching the images" not in told
    store.download("parley", "here/", tmp_path)
    assert differing(alone.folder, tmp_path, below=("results",)) == []

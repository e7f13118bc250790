"""Names of files that are evaluated together; their metrics are tested in tests/cli/test_evaluate.py."""

import pytest

from parley.core.errors import ParleyError
from parley.evaluation.legacy_eval import part_names


def test_stems_are_names_where_they_differ():
    assert part_names(["/x/dev.hdf5", "/x/test.hdf5"]) == {"dev": "/x/dev.hdf5", "test": "/x/test.hdf5"}


def test_folders_tell_equal_stems_apart():
    files = ["/x/a/f/test.hdf5", "/x/b/f/test.hdf5", "/x/a/dev.hdf5"]
    assert list(part_names(files)) == ["a-f-test", "b-f-test", "dev"]
    assert list(part_names(["/t.hdf5", "/x/t.hdf5"])) == ["t", "x-t"]


@pytest.mark.parametrize("files", [["a.hdf5", "a.hdf5"], ["a.hdf5", "./a.hdf5"], ["a.hdf5", "a.h5"]])
def test_the_same_name_twice_is_refused(files):
    with pytest.raises(ParleyError, match="have the same name"):
        part_names(files)

"""Names of files that are evaluated together; their metrics are tested in tests/cli/test_evaluate.py."""

import pytest

from parley.core.errors import ParleyError
from parley.evaluation.legacy_eval import part_names, sentence


def test_different_stems_are_the_names():
    assert part_names(["/x/dev.hdf5", "/x/test.hdf5"]) == {"dev": "/x/dev.hdf5", "test": "/x/test.hdf5"}


def test_equal_stems_are_preceded_by_folders():
    files = ["/x/a/f/test.hdf5", "/x/b/f/test.hdf5", "/x/a/dev.hdf5"]
    assert list(part_names(files)) == ["a-f-test", "b-f-test", "dev"]
    assert list(part_names(["/t.hdf5", "/x/t.hdf5"])) == ["t", "x-t"]


@pytest.mark.parametrize("files", [["a.hdf5", "a.hdf5"], ["a.hdf5", "./a.hdf5"], ["a.hdf5", "a.h5"]])
def test_a_repeated_file_is_an_error(files):
    with pytest.raises(ParleyError, match="have the same name"):
        part_names(files)


@pytest.mark.parametrize(
    ("k", "said"),
    [
        (1, "8 images among 2 classes, accuracy@1 0.500 (chance 0.500), length 1.50 exchanges"),
        (2, "8 images among 2 classes, accuracy@1 0.500 (chance 0.500), accuracy@2 1.000 (chance 1.000), "
         "length 1.50 exchanges"),
    ],
)  # fmt: skip
def test_accuracy_at_1_is_printed_once(k, said):
    result = {"n": 8, "candidates": 2, "k": k, "accuracy@1": 0.5, "chance@1": 0.5, "length": 1.5}
    assert sentence(result | {"accuracy@k": k / 2, "chance@k": k / 2}) == said

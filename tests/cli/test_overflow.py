"""A checkpoint whose scores overflow on a split is a run that failed, and no defect."""

import h5py
import pytest
from original_files import write_words

from parley.core.failures import FailedRunError, failure_in, propagate_failure
from parley.evaluation.evaluate import EvalInputs, evaluate


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_scores_that_overflow_fail_the_run_with_a_sentence(trained, tmp_path):
    _, descriptions, _, words = trained.text
    about = {"experiment": "easy", "run": "tiny", "seed": 6}

    def evaluated(words, out):
        parts = {"test": trained.part("test")}
        evaluate(EvalInputs(trained.best, parts, descriptions, str(words), about), (2, 2), out)

    evaluated(words, tmp_path / "fine.json")
    assert failure_in(tmp_path / "fine.json") is None
    huge = tmp_path / "words.hdf5"
    write_words(huge, ["ant", "bee", "cat", "dog", "elk", "fox"])
    with h5py.File(huge, "r+") as file:
        file["vector"][:] = 3e38  # A float32, and no longer in a sum.
    with pytest.raises(FailedRunError, match="outputs of seed 6 on the split test are not finite"):
        evaluated(huge, tmp_path / "none.json")
    assert not (tmp_path / "none.json").exists()
    with propagate_failure([tmp_path / "marked.json"]):
        evaluated(huge, tmp_path / "marked.json")
    assert "are not finite" in failure_in(tmp_path / "marked.json")

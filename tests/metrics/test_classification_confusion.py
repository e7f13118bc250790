"""The confusion matrix is that of scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from parley.metrics.classification import confusion_counts

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40)


@pytest.mark.filterwarnings("ignore:A single label")
@given(PAIRS)
def test_counts_are_scikit_learns(pairs):
    true, predicted = np.array(pairs).T
    assert confusion_counts(true, predicted).tolist() == confusion_matrix(true, predicted).tolist()


def test_only_classes_that_occur_have_a_row_in_the_order_of_labels():
    found = confusion_counts(np.array([9, 2, 2]), np.array([2, 2, 5]))
    assert found.tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 0]]
